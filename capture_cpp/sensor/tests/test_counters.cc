#include <gtest/gtest.h>

#include "counters.h"
#include "store/manifest.h"

namespace weir::sensor {
namespace {

Counters Sample() {
  Counters counters;
  counters.received = 1000;
  counters.kernel_dropped = 90;
  counters.unread = 10;
  counters.read = 900;
  counters.filtered = 100;
  counters.written = 700;
  counters.drop_disk = 60;
  counters.drop_spool = 40;
  counters.truncated = 5;
  return counters;
}

TEST(Counters, BalanceWhereBothSumsHold) { EXPECT_TRUE(Sample().Balanced()); }

TEST(Counters, DoNotBalanceWhereAnyPacketIsUnexplained) {
  for (const CounterName& counter : kCounterNames) {
    Counters leaking = Sample();
    ++(leaking.*counter.field);
    const bool stands_beside = counter.name == "truncated" || counter.name == "interface_dropped";
    EXPECT_EQ(leaking.Balanced(), stands_beside) << counter.name;
  }
}

TEST(Counters, AddUpFieldByField) {
  Counters twice = Sample();
  twice += Sample();
  for (const CounterName& counter : kCounterNames) EXPECT_EQ(twice.*counter.field, 2 * (Sample().*counter.field)) << counter.name;
}

TEST(Counters, ComeBackFromAManifest) {
  Manifest manifest;
  manifest.counters = Sample();
  manifest.filter = R"("counters": {"received": 3})";
  Counters back;
  ASSERT_TRUE(CountersFromJson(manifest.ToJson(), &back));
  for (const CounterName& counter : kCounterNames) EXPECT_EQ(back.*counter.field, Sample().*counter.field) << counter.name;
}

TEST(Counters, AreNotReadFromWhatIsNoManifest) {
  Counters back;
  EXPECT_FALSE(CountersFromJson("", &back));
  EXPECT_FALSE(CountersFromJson("{\"counters\": {\"received\": 3}}", &back));
}

}  // namespace
}  // namespace weir::sensor
