#include "flows/flow_options.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "events.h"

namespace weir::sensor {
namespace {

TEST(FlowDestination, IsAFormatAndAPlace) {
  const FlowDestination stdout_rows = ParseFlowDestination("json:-");
  EXPECT_EQ(stdout_rows.format, FlowFormat::kJson);
  EXPECT_EQ(stdout_rows.path, "-");
  EXPECT_EQ(ParseFlowDestination("arrow:/var/flows:1.arrows").path, "/var/flows:1.arrows");
  const FlowDestination broker = ParseFlowDestination("arrow:mqtts://broker.example");
  EXPECT_EQ(broker.transport, FlowTransport::kMqtt);
  EXPECT_TRUE(broker.encrypted);
  EXPECT_EQ(broker.port, 8883);
  EXPECT_EQ(ParseFlowDestination("json:mqtt://localhost").port, 1883);
  EXPECT_FALSE(ParseFlowDestination("json:mqtt://localhost").encrypted);
}

TEST(FlowDestination, TakesAddressesOfEitherKind) {
  const FlowDestination six = ParseFlowDestination("ipfix:udp://[2001:db8::1]:9995");
  EXPECT_EQ(six.host, "2001:db8::1");
  EXPECT_EQ(six.port, 9995);
  EXPECT_EQ(ParseFlowDestination("ipfix:udp://[::1]").port, 4739);
  EXPECT_EQ(ParseFlowDestination("netflow9:udp://192.0.2.1").port, 2055);
}

TEST(FlowDestination, IsRefusedWhereItSaysTooLittle) {
  for (const char* text : {"", "json", "json:", "csv:-", "ipfix:-", "netflow9:tcp://a:1", "json:http://a", "ipfix:udp://", "ipfix:udp://a:",
                           "ipfix:udp://a:0", "ipfix:udp://a:65536", "ipfix:udp://a:12x", "ipfix:udp://[::1", "ipfix:udp://[::1]x",
                           "ipfix:udp://::1", "json:mqtts://user@host"}) {
    EXPECT_THROW(ParseFlowDestination(text), SensorError) << text;
  }
}

TEST(FlowOptions, WantAnIdentityForABrokerAndNoneWithout) {
  FlowOptions options;
  options.destinations = {ParseFlowDestination("json:mqtts://broker")};
  EXPECT_THROW(CheckFlowOptions(options, "lab"), SensorError);
  options.certificate_file = options.key_file = "lab.pem";
  EXPECT_NO_THROW(CheckFlowOptions(options, "lab"));
  options.destinations = {ParseFlowDestination("json:-")};
  EXPECT_THROW(CheckFlowOptions(options, "lab"), SensorError);
}

TEST(FlowOptions, TakeNoFileTwice) {
  FlowOptions options;
  options.destinations = {ParseFlowDestination("json:rows"), ParseFlowDestination("ipfix:udp://a"), ParseFlowDestination("netflow9:udp://a")};
  EXPECT_NO_THROW(CheckFlowOptions(options, "lab"));
  options.destinations.push_back(ParseFlowDestination("arrow:rows"));
  EXPECT_THROW(CheckFlowOptions(options, "lab"), SensorError);
}

TEST(FlowOptions, TakeNoFileTwiceUnderOtherNames) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("flow_options_" + std::to_string(::getpid()));
  fs::create_directories(folder / "in");
  std::ofstream(folder / "there") << "rows";
  fs::create_symlink("there", folder / "link");
  fs::create_hard_link(folder / "there", folder / "hard");
  const auto lead_to_one = [&folder](const char* one, const char* other) { return LeadToOneFile(folder / one, folder / other); };
  EXPECT_TRUE(lead_to_one("there", "link"));
  EXPECT_TRUE(lead_to_one("there", "hard"));
  EXPECT_TRUE(lead_to_one("new", "in/../new"));
  EXPECT_TRUE(LeadToOneFile("new", "./new"));
  EXPECT_FALSE(lead_to_one("new", "in/new"));
  EXPECT_FALSE(lead_to_one("there", "new"));
  EXPECT_FALSE(LeadToOneFile("/dev/null", "/dev/null"));
  EXPECT_FALSE(LeadToOneFile("", ""));
  EXPECT_FALSE(LeadToOneFile("-", folder / "new"));
  FlowOptions options;
  options.destinations = {ParseFlowDestination("json:rows"), ParseFlowDestination("arrow:./rows")};
  EXPECT_THROW(CheckFlowOptions(options, "lab"), SensorError);
  fs::remove_all(folder);
}

TEST(FlowOptions, TakeNoFileTwiceThroughLinksToWhatIsNotThereYet) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("flow_links_" + std::to_string(::getpid()));
  fs::create_directories(folder / "in");
  fs::create_symlink("new", folder / "link");
  fs::create_symlink("../link", folder / "in" / "far");
  fs::create_directory_symlink(folder / "in", folder / "way");
  fs::create_symlink("round", folder / "round");
  const auto lead_to_one = [&folder](const char* one, const char* other) { return LeadToOneFile(folder / one, folder / other); };
  EXPECT_TRUE(lead_to_one("new", "link"));
  EXPECT_TRUE(lead_to_one("in/far", "new"));
  EXPECT_TRUE(lead_to_one("way/far", "link"));
  EXPECT_TRUE(lead_to_one("way/other", "in/other"));
  EXPECT_FALSE(lead_to_one("way/other", "other"));
  EXPECT_FALSE(lead_to_one("round", "new"));
  fs::remove_all(folder);
}

TEST(FlowOptions, TakeNoBrokerAndNoCollectorTwice) {
  const auto are_taken = [](const char* one, const char* other) {
    FlowOptions options;
    options.destinations = {ParseFlowDestination(one), ParseFlowDestination("json:-"), ParseFlowDestination(other)};
    options.certificate_file = options.key_file = options.destinations[0].encrypted ? "lab.pem" : "";
    try {
      CheckFlowOptions(options, "lab");
    } catch (const SensorError& error) {
      EXPECT_NE(std::string(error.what()).find("; keep one of them"), std::string::npos) << error.what();
      return false;
    }
    return true;
  };
  EXPECT_FALSE(are_taken("json:mqtts://broker", "arrow:mqtts://broker:8883"));
  EXPECT_FALSE(are_taken("json:mqtt://localhost", "json:mqtt://localhost"));
  EXPECT_FALSE(are_taken("ipfix:udp://a", "ipfix:udp://a:4739"));
  EXPECT_FALSE(are_taken("ipfix:udp://a:2055", "netflow9:udp://a"));  // collectors take both at one port
  EXPECT_FALSE(are_taken("ipfix:udp://[::1]", "ipfix:udp://[::1]:4739"));
  EXPECT_TRUE(are_taken("json:mqtts://broker", "arrow:mqtts://other"));
  EXPECT_TRUE(are_taken("json:mqtt://localhost", "arrow:mqtt://localhost:1884"));
  EXPECT_TRUE(are_taken("ipfix:udp://a", "ipfix:udp://b"));
  EXPECT_TRUE(are_taken("ipfix:udp://a:1883", "json:mqtt://a"));
}

TEST(FlowOptions, HoldASensorToTopicsOfItsOwn) {
  FlowOptions options;
  EXPECT_EQ(TopicOf(options, "lab"), "weir/lab/flows");
  for (const char* topic : {"lab", "site/lab", "lab/flows", "weir/lab/flows"}) {
    options.topic = topic;
    EXPECT_NO_THROW(CheckFlowOptions(options, "lab")) << topic;
  }
  for (const char* topic : {"weir/other/flows", "weir/lab2/flows", "weir/lab/#", "weir/+/lab"}) {
    options.topic = topic;
    EXPECT_THROW(CheckFlowOptions(options, "lab"), SensorError) << topic;
  }
}

}  // namespace
}  // namespace weir::sensor
