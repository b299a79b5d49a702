#include "application/modbus.h"

#include <gtest/gtest.h>

#include "parsing.h"

namespace weir {
namespace {

using test::FieldsOf;
using test::Find;
using test::Frame;
using test::ParseBytes;
using test::operator+;

TEST(Modbus, KeepsUnitFunctionAndException) {
  const Fields request = FieldsOf("modbus", test::ModbusRequest(), 502);
  EXPECT_EQ(request.Number(NumberField::kModbusUnit), 17);
  EXPECT_EQ(request.Number(NumberField::kModbusFunction), 3);
  EXPECT_EQ(request.Number(NumberField::kModbusException), kUnsaid);
  EXPECT_EQ(FieldsOf("modbus", test::ModbusException(), 502, false).Number(NumberField::kModbusException), 2);
}

TEST(Modbus, IsKnownOnAnotherPortWhereEveryLengthFits) {
  EXPECT_EQ(FieldsOf("modbus", test::ModbusRequest(), 5'020).Number(NumberField::kModbusFunction), 3);
  Fields fields;
  const Frame longer = test::ModbusRequest() + Frame{0};
  EXPECT_EQ(ParseBytes(Find("modbus"), longer, {"modbus", longer, false, 5'020}, true, &fields), Verdict::kNo);
}

TEST(Modbus, IsKnownOnAnotherPortByARequestToWriteSeveralOrToIdentify) {
  const auto request = [](const Frame& rest) { return test::Big16(7) + test::Big16(0) + test::Sized16(rest); };
  const auto function_of = [&](const Frame& rest) {
    Fields fields;
    const Frame bytes = request(rest);
    ParseBytes(Find("modbus"), bytes, {"modbus", bytes, false, 5'020}, true, &fields);
    return fields.Number(NumberField::kModbusFunction);
  };
  EXPECT_EQ(function_of(Frame{17, 16} + test::Big16(100) + test::Big16(2) + Frame{4, 1, 2, 3, 4}), 16);
  EXPECT_EQ(function_of(Frame{17, 15} + test::Big16(100) + test::Big16(9) + Frame{2, 0xff, 1}), 15);
  EXPECT_EQ(function_of({17, 43, 14, 1, 0}), 43);
  EXPECT_EQ(function_of(Frame{17, 16} + test::Big16(100) + test::Big16(2) + Frame{4, 1, 2, 3}), kUnsaid);
  EXPECT_EQ(function_of(Frame{17, 16} + test::Big16(100) + test::Big16(3) + Frame{4, 1, 2, 3, 4}), kUnsaid);
  EXPECT_EQ(function_of(Frame{17, 15} + test::Big16(100) + test::Big16(0) + Frame{0}), kUnsaid);
  EXPECT_EQ(function_of({17, 43, 13, 1, 0}), kUnsaid);
  EXPECT_EQ(function_of({17, 17}), kUnsaid);
}

}  // namespace
}  // namespace weir
