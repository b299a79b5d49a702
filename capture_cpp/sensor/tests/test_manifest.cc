#include <gtest/gtest.h>

#include "json.h"
#include "store/manifest.h"
#include "store/names.h"
#include "store/sha256.h"

namespace weir::sensor {
namespace {

TEST(Json, EscapesWhateverCouldBreakALine) {
  EXPECT_EQ(JsonString("a\"b\\c\n\x1b\x7f\xff"), "\"a\\\"b\\\\c\\u000a\\u001b\\u007f\\u00ff\"");
}

TEST(Json, WritesFieldsInOrder) {
  EXPECT_EQ(JsonObject().Text("a", "x").Number("b", -1).Count("c", 18446744073709551615U).Null("d").Finish(),
            "{\"a\": \"x\", \"b\": -1, \"c\": 18446744073709551615, \"d\": null}");
}

TEST(Manifest, SpansTheTimesOfAllFrames) {
  Manifest manifest;
  manifest.frames = {Frame{}, Frame{}};
  manifest.frames[0].first_us = 50;
  manifest.frames[0].last_us = 90;
  manifest.frames[1].first_us = 40;
  manifest.frames[1].last_us = 60;
  const std::string text = manifest.ToJson();
  EXPECT_NE(text.find("\"first_us\": 40, \"last_us\": 90, \"hour\""), std::string::npos) << text;
}

TEST(Manifest, WithoutPacketsHasNoTimes) {
  EXPECT_NE(Manifest().ToJson().find("\"first_us\": null, \"last_us\": null"), std::string::npos);
}

TEST(Manifest, GivesItsDigestBack) {
  Manifest manifest;
  manifest.sha256 = std::string(64, 'a');
  manifest.previous_sha256 = std::string(64, 'b');
  EXPECT_EQ(Sha256FromJson(manifest.ToJson()), manifest.sha256);
}

TEST(HourName, IsTheHourInUtc) {
  EXPECT_EQ(HourName(0), "1970-01-01T00");
  EXPECT_EQ(HourName(1'709'546'399'999'999), "2024-03-04T09");
  EXPECT_EQ(HourName(1'709'546'400'000'000), "2024-03-04T10");
  EXPECT_EQ(HourName(4'294'967'295'000'000), "2106-02-07T06");
}

TEST(Sha256, IsThatOfTheStandard) {
  // FIPS 180-2, appendix B.1
  const std::string text = "abc";
  Sha256 digest;
  digest.Add(std::as_bytes(std::span(text)));
  EXPECT_EQ(digest.Hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Names, OfSegmentsComeBackAsBootAndNumber) {
  const Stem stem = {"0123456789abcdef", 1'234'567};
  EXPECT_EQ(stem.Text("lab"), "lab-0123456789abcdef-1234567");
  EXPECT_EQ(ParseStem("lab", stem.Text("lab") + ".json", ".json"), stem);
  EXPECT_EQ(ParseStem("lab", "lab-0123456789abcdef-000001.json", ".json").value().seq, 1U);
}

TEST(Names, OfOtherSensorsAreNotTaken) {
  const std::string name = "lab-2-0123456789abcdef-000001.json";
  EXPECT_TRUE(ParseStem("lab-2", name, ".json"));
  for (const char* sensor : {"lab", "la", "lab-2-", "2"}) EXPECT_FALSE(ParseStem(sensor, name, ".json")) << sensor;
}

TEST(Names, ThatAreNoSegmentsAreNotTaken) {
  for (const char* name : {"", ".json", "lab", "lab-", "lab-0123456789abcdeg-000001.json", "lab-0123456789abcdef-1.json",
                           "lab-0123456789abcdef-00000x.json", "lab-0123456789abcdef-000001.json.part",
                           "lab-0123456789abcdef-99999999999999999999999.json"}) {
    EXPECT_FALSE(ParseStem("lab", name, ".json")) << name;
  }
}

TEST(Names, OfManifestsThatAreNotWholeBelongToOneSensor) {
  const std::string name = ".lab-2-0123456789abcdef-000001.json.part";
  EXPECT_TRUE(IsManifestPart("lab-2", name));
  for (const char* sensor : {"lab", "la", "lab-2-", "2"}) EXPECT_FALSE(IsManifestPart(sensor, name)) << sensor;
  for (const char* other : {".lab-2-0123456789abcdef-000001.json", "lab-2-0123456789abcdef-000001.json.part", ".lab-2-notes.json.part"}) {
    EXPECT_FALSE(IsManifestPart("lab-2", other)) << other;
  }
}

TEST(Names, OfCheckpointsComeBackAsBoot) {
  const std::string boot = NewBootId();
  EXPECT_EQ(BootOfCheckpoint("lab", CheckpointName("lab", boot)), boot);
  EXPECT_FALSE(BootOfCheckpoint("la", CheckpointName("lab", boot)));
  EXPECT_FALSE(BootOfCheckpoint("lab", CheckpointName("lab-2", boot)));
}

}  // namespace
}  // namespace weir::sensor
