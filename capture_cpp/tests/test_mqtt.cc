#include "application/mqtt.h"

#include <gtest/gtest.h>

#include "parsing.h"

namespace weir {
namespace {

using test::FieldsOf;
using test::Find;
using test::Frame;
using test::ParseBytes;
using test::operator+;

TEST(Mqtt, KeepsClientAndFirstTopicOfBothVersions) {
  const Fields old = FieldsOf("mqtt", test::MqttConnect() + test::MqttPublish(), 1883);
  EXPECT_EQ(old.Text(TextField::kMqttClientId), "pump-7");
  EXPECT_EQ(old.Text(TextField::kMqttTopic), "plant/pump/7");
  EXPECT_EQ(FieldsOf("mqtt", test::MqttConnect5(), 1883).Text(TextField::kMqttClientId), "pump-8");
}

TEST(Mqtt, ReadsATopicThatTheBrokerSends) {
  Fields fields = FieldsOf("mqtt", test::MqttConnect(), 1883);
  fields.Set(TextField::kApp, "mqtt");
  const Frame answer = Frame{0x20, 2, 0, 0, 0x90, 3, 0, 1, 0} + test::MqttPublish();
  ParseBytes(Find("mqtt"), answer, {"mqtt", answer, false, 1883}, true, &fields, false);
  EXPECT_EQ(fields.Text(TextField::kMqttTopic), "plant/pump/7");
}

TEST(Mqtt, KnowsABridgeByTheHighestBitOfItsVersion) {
  for (const auto& [name, version] : {std::pair{"MQIsdp", std::uint8_t{0x83}}, {"MQTT", std::uint8_t{0x84}}}) {
    const Frame body = test::Sized16(test::Letters(name)) + Frame{version, 2} + test::Big16(60) + test::Sized16(test::Letters("plant-2"));
    EXPECT_EQ(FieldsOf("mqtt", Frame{0x10} + test::Sized8(body), 1883).Text(TextField::kMqttClientId), "plant-2");
  }
  Fields fields;
  const Frame unknown = Frame{0x10} + test::Sized8(test::Sized16(test::Letters("MQTT")) + Frame{0x86, 2} + test::Big16(60) + test::Sized16({}));
  EXPECT_EQ(ParseBytes(Find("mqtt"), unknown, {"mqtt", unknown, false, 1883}, true, &fields), Verdict::kNo);
}

TEST(Mqtt, PassesOverMessagesWhoseTopicIsAnAlias) {
  const Frame aliased = Frame{0x30} + test::Sized8(test::Sized16({}) + Frame{3, 0x23, 0, 1} + test::Letters("on"));
  EXPECT_EQ(FieldsOf("mqtt", test::MqttConnect5() + aliased + aliased + test::MqttPublish(), 1883).Text(TextField::kMqttTopic), "plant/pump/7");
  const Frame broken = Frame{0x30, 1, 0, 0};  // shorter than its topic's length
  EXPECT_FALSE(FieldsOf("mqtt", test::MqttConnect5() + broken + test::MqttPublish(), 1883).Has(TextField::kMqttTopic));
}

}  // namespace
}  // namespace weir
