#include "application/fields.h"

#include <gtest/gtest.h>

#include <iomanip>
#include <new>
#include <sstream>
#include <string>
#include <string_view>

#include "application/fields_pool.h"

namespace weir {
namespace {

TEST(Fields, KeepOnlyPrintableLettersAndNeverCutAnEscape) {
  Fields fields;
  fields.Set(TextField::kHttpUri, std::string_view("a\\b\x01\xff<z>"));
  EXPECT_EQ(fields.Text(TextField::kHttpUri), "a\\\\b\\x01\\xff<z>");
  fields.Set(TextField::kHttpHost, std::string(254, 'x') + "\n");
  EXPECT_EQ(fields.Text(TextField::kHttpHost), std::string(254, 'x'));
  fields.Set(TextField::kTlsSni, std::string(300, 'y'));
  EXPECT_EQ(fields.Text(TextField::kTlsSni), std::string(255, 'y'));
}

// As it is written, with a backslash before what is not plain.
std::string Escaped(unsigned value) {
  if (value == '\\') {
    return "\\\\";
  }
  if (value >= ' ' && value <= '~') {
    return {static_cast<char>(value)};
  }
  std::ostringstream text;
  text << "\\x" << std::hex << std::setw(2) << std::setfill('0') << value;
  return text.str();
}

// Plain letters are looked at eight at a time, so a strange one is tried at every place.
TEST(Fields, EscapeAnyStrangeByteAtAnyPlace) {
  for (std::size_t size = 1; size < 20; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (unsigned value = 0; value < 256; ++value) {
        std::string text(size, 'x');
        text[at] = static_cast<char>(value);
        Fields fields;
        fields.Set(TextField::kHttpUri, text);
        ASSERT_EQ(fields.Text(TextField::kHttpUri), std::string(at, 'x') + Escaped(value) + std::string(size - at - 1, 'x')) << size << " " << at << " " << value;
      }
    }
  }
}

// What has no room inside is kept as well, whatever comes when.
TEST(Fields, KeepMoreThanTheyHaveRoomFor) {
  const auto text_of = [](std::size_t field) { return std::string(7 + 13 * field, static_cast<char>('a' + field)); };
  Fields fields;
  for (int round = 0; round < 2; ++round) {
    for (std::size_t field = 0; field < kTextFields; ++field) {
      fields.Set(static_cast<TextField>(field), text_of(field));
    }
    for (std::size_t field = 0; field < kNumberFields; ++field) {
      fields.Set(static_cast<NumberField>(field), static_cast<std::int32_t>(100'000 * field));
    }
    for (std::size_t field = 0; field < kTextFields; ++field) {
      EXPECT_EQ(fields.Text(static_cast<TextField>(field)), text_of(field).substr(0, Fields::kLongestText));
    }
    for (std::size_t field = 0; field < kNumberFields; ++field) {
      EXPECT_EQ(fields.Number(static_cast<NumberField>(field)), static_cast<std::int32_t>(100'000 * field));
    }
    EXPECT_GT(fields.bytes(), sizeof(Fields));
    fields.Clear();
    EXPECT_FALSE(fields.Has(TextField::kApp));
    EXPECT_EQ(fields.bytes(), sizeof(Fields));
  }
}

TEST(Fields, KeepWhatWasSaidFirst) {
  Fields fields;
  fields.Set(TextField::kTlsSni, std::string_view("first"));
  fields.Set(TextField::kTlsSni, std::string_view("second"));
  fields.Set(NumberField::kDnsRcode, 0);
  fields.Set(NumberField::kDnsRcode, 3);
  EXPECT_EQ(fields.Text(TextField::kTlsSni), "first");
  EXPECT_EQ(fields.Number(NumberField::kDnsRcode), 0);
  EXPECT_EQ(fields.Number(NumberField::kHttpStatus), kUnsaid);
}

TEST(FieldsPool, GivesEmptyFieldsAndTakesNoMoreThanItHasRoomFor) {
  FieldsPool pool(2);
  FieldsPool::Handle first = pool.Take();
  first->Set(TextField::kApp, std::string_view("dns"));
  const FieldsPool::Handle second = pool.Take();
  EXPECT_NE(first.get(), second.get());
  EXPECT_THROW(pool.Take(), std::bad_alloc);
  first.reset();
  const FieldsPool::Handle again = pool.Take();
  EXPECT_FALSE(again->Has(TextField::kApp));
}

}  // namespace
}  // namespace weir
