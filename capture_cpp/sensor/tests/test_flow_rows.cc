#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "flow_builder.h"
#include "flows/encoder.h"

namespace weir::sensor {
namespace {

// Columns of a batch made by hand; as Arrow's C data interface shows them.
class Made {
 public:
  template <typename Value>
  void Number(const char* name, const char* format, const std::vector<Value>& values) {
    Column& column = Next(name, format, values.size());
    Fill(values, &column.values);
    column.buffers = {nullptr, column.values.data(), nullptr};
  }
  void Text(const char* name, const std::vector<std::string>& values) {
    Column& column = Next(name, "u", values.size());
    std::vector<std::int32_t> offsets = {0};
    for (const std::string& value : values) {
      column.letters += value;
      offsets.push_back(static_cast<std::int32_t>(column.letters.size()));
    }
    Fill(offsets, &column.values);
    column.buffers = {nullptr, column.values.data(), column.letters.data()};
  }
  // Rows whose bit is not set in `bits` have no value in the column made last.
  void Nulls(std::uint8_t bits) {
    columns_.back()->validity = static_cast<char>(bits);
    columns_.back()->buffers[0] = &columns_.back()->validity;
    columns_.back()->array.null_count = -1;  // unknown
  }

  std::string Encode(Encoder* encoder, std::size_t from, std::size_t count) {
    std::vector<ArrowSchema*> schemas;
    std::vector<ArrowArray*> arrays;
    for (const auto& column : columns_) {
      column->array.buffers = column->buffers.data();
      schemas.push_back(&column->schema);
      arrays.push_back(&column->array);
    }
    ArrowSchema schema = {};
    schema.n_children = static_cast<std::int64_t>(schemas.size());
    schema.children = schemas.data();
    ArrowArray array = {};
    array.length = columns_.front()->array.length;
    array.children = arrays.data();
    std::string out;
    encoder->Encode(Rows(schema, array), from, count, &out);
    return out;
  }

 private:
  struct Column {
    std::string values;
    std::string letters;
    char validity = 0;
    std::array<const void*, 3> buffers = {};
    ArrowSchema schema = {};
    ArrowArray array = {};
  };

  Column& Next(const char* name, const char* format, std::size_t rows) {
    columns_.push_back(std::make_unique<Column>());
    columns_.back()->schema.name = name;
    columns_.back()->schema.format = format;
    columns_.back()->array.length = static_cast<std::int64_t>(rows);
    return *columns_.back();
  }
  template <typename Value>
  static void Fill(const std::vector<Value>& values, std::string* bytes) {
    bytes->assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value));
  }

  std::vector<std::unique_ptr<Column>> columns_;
};

TEST(JsonRows, WriteEachRowAsAnObjectOnALine) {
  Made made;
  made.Number<std::int64_t>("id", "l", {std::numeric_limits<std::int64_t>::min(), 7, 8});
  made.Number<std::int32_t>("port", "i", {-1, 80, 81});
  made.Number<double>("rate", "g", {0.1, 1e300, 3});
  made.Text("name", {"a", "", "c"});
  EXPECT_EQ(made.Encode(MakeJsonEncoder().get(), 0, 2), "{\"id\":-9223372036854775808,\"port\":-1,\"rate\":0.1,\"name\":\"a\"}\n"
                                                        "{\"id\":7,\"port\":80,\"rate\":1e+300,\"name\":\"\"}\n");
  EXPECT_EQ(made.Encode(MakeJsonEncoder().get(), 2, 1), "{\"id\":8,\"port\":81,\"rate\":3,\"name\":\"c\"}\n");
}

TEST(JsonRows, WriteOtherNumbersAndNothingWhereThereIsNothing) {
  Made made;
  made.Number<std::uint64_t>("most", "L", {std::numeric_limits<std::uint64_t>::max(), 0});
  made.Number<std::uint8_t>("bits", "b", {0b01});
  made.Number<std::int16_t>("small", "s", {-2, 2});
  made.Nulls(0b10);
  made.Number<float>("single", "f", {0.5F, std::numeric_limits<float>::infinity()});
  EXPECT_EQ(made.Encode(MakeJsonEncoder().get(), 0, 2), "{\"most\":18446744073709551615,\"bits\":true,\"small\":null,\"single\":0.5}\n"
                                                        "{\"most\":0,\"bits\":false,\"small\":2,\"single\":null}\n");
}

TEST(JsonRows, KeepForeignTextInsideItsLine) {
  Made made;
  made.Text("t", {"a\"b\\c\n\x7f", "caf\xc3\xa9 \xf0\x9f\x98\x80", "\xff\xc3", "\xed\xa0\x80", std::string("\0", 1)});
  EXPECT_EQ(made.Encode(MakeJsonEncoder().get(), 0, 5), "{\"t\":\"a\\\"b\\\\c\\u000a\\u007f\"}\n"
                                                        "{\"t\":\"caf\xc3\xa9 \xf0\x9f\x98\x80\"}\n"
                                                        "{\"t\":\"\xef\xbf\xbd\xef\xbf\xbd\"}\n"
                                                        "{\"t\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}\n"
                                                        "{\"t\":\"\\u0000\"}\n");
}

TEST(ArrowRows, MakeMessagesThatSayHowLongTheyAre) {
  Made made;
  made.Number<std::int64_t>("id", "l", {1, 2, 3});
  made.Text("name", {"a", "bc", ""});
  ArrowSchema schema = {};
  ExportSchema(&schema);
  const auto encoder = MakeArrowEncoder(schema);
  schema.release(&schema);
  const std::string message = made.Encode(encoder.get(), 1, 2);
  std::uint32_t mark = 0;
  std::uint32_t metadata = 0;
  std::memcpy(&mark, message.data(), sizeof mark);
  std::memcpy(&metadata, message.data() + sizeof mark, sizeof metadata);
  constexpr std::size_t kBody = 16 + 16 + 8;  // two numbers, three offsets, two letters, all to multiples of 8
  EXPECT_EQ(mark, 0xffffffffu);
  EXPECT_EQ(metadata % 8, 0u);
  EXPECT_EQ(message.size(), 8 + metadata + kBody);
  std::string end;
  encoder->End(&end);
  EXPECT_EQ(end, std::string("\xff\xff\xff\xff\0\0\0\0", 8));
}

TEST(Rows, CanBeWrittenWhateverColumnsTheFlowCoreHas) {
  ArrowSchema schema = {};
  ExportSchema(&schema);
  EXPECT_NO_THROW(MakeArrowEncoder(schema));
  schema.release(&schema);
}

TEST(Rows, RefuseATypeTheyCannotWriteByTheNameOfItsColumn) {
  ArrowSchema list = {};
  list.name = "many";
  list.format = "+l";
  try {
    KindOf(list);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("many"), std::string::npos);
  }
}

}  // namespace
}  // namespace weir::sensor
