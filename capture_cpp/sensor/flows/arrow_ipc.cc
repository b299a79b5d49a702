// The Arrow IPC streaming format: https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format
//
// Its messages are flatbuffers of three small tables, written here field by field; the numbers are
// those of format/Message.fbs and format/Schema.fbs.
#include <flatbuffers/flatbuffers.h>

#include <bit>
#include <cstdint>
#include <vector>

#include "flows/encoder.h"

namespace weir::sensor {
namespace {

static_assert(std::endian::native == std::endian::little, "buffers are written as they lie in memory");

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using Table = Offset<void>;

constexpr std::size_t kAlignment = 8;
constexpr std::uint32_t kContinuation = 0xffffffff;
constexpr std::int16_t kVersion5 = 4;
enum MessageHeader : std::uint8_t { kSchema = 1, kRecordBatch = 3 };
enum Type : std::uint8_t { kInt = 2, kFloatingPoint = 3, kUtf8 = 5, kBool = 6 };
enum Precision : std::int16_t { kSingle = 1, kDouble = 2 };

// Where the n-th field of a table stands in its vtable.
constexpr flatbuffers::voffset_t Slot(int field) { return static_cast<flatbuffers::voffset_t>(4 + 2 * field); }

// The structs of Message.fbs, as they lie in the message.
struct FieldNode {
  std::int64_t length;
  std::int64_t null_count;
};
struct Buffer {
  std::int64_t offset;
  std::int64_t length;
};

void PadTo8(std::string* out) { out->append((kAlignment - out->size() % kAlignment) % kAlignment, '\0'); }

void AppendInt32(std::uint32_t value, std::string* out) { out->append(reinterpret_cast<const char*>(&value), sizeof value); }

Table MakeType(const ArrowSchema& column, Type* type, FlatBufferBuilder* builder) {
  const flatbuffers::uoffset_t start = builder->StartTable();
  switch (KindOf(column)) {
    case ValueKind::kSigned:
    case ValueKind::kUnsigned:
      *type = kInt;
      builder->AddElement<std::int32_t>(Slot(0), static_cast<std::int32_t>(WidthOf(column) * 8), 0);
      builder->AddElement<std::uint8_t>(Slot(1), KindOf(column) == ValueKind::kSigned ? 1 : 0, 0);
      break;
    case ValueKind::kReal:
      *type = kFloatingPoint;
      builder->AddElement<std::int16_t>(Slot(0), WidthOf(column) == sizeof(float) ? kSingle : kDouble, 0);
      break;
    case ValueKind::kBool: *type = kBool; break;
    case ValueKind::kText: *type = kUtf8; break;
  }
  return Table(builder->EndTable(start));
}

Table MakeField(const ArrowSchema& column, FlatBufferBuilder* builder) {
  const auto name = builder->CreateString(column.name);
  Type type = kInt;
  const Table type_table = MakeType(column, &type, builder);
  const auto children = builder->CreateVector(std::vector<Table>());
  const flatbuffers::uoffset_t start = builder->StartTable();
  builder->AddOffset(Slot(0), name);
  builder->AddElement<std::uint8_t>(Slot(1), (column.flags & kArrowNullable) != 0 ? 1 : 0, 0);
  builder->AddElement<std::uint8_t>(Slot(2), type, 0);
  builder->AddOffset(Slot(3), type_table);
  builder->AddOffset(Slot(5), children);
  return Table(builder->EndTable(start));
}

Table MakeSchema(const ArrowSchema& schema, FlatBufferBuilder* builder) {
  std::vector<Table> fields;
  fields.reserve(static_cast<std::size_t>(schema.n_children));
  for (std::int64_t i = 0; i < schema.n_children; ++i) fields.push_back(MakeField(*schema.children[i], builder));
  const auto vector = builder->CreateVector(fields);
  const flatbuffers::uoffset_t start = builder->StartTable();
  builder->AddOffset(Slot(1), vector);  // field 0, the byte order, is little by default
  return Table(builder->EndTable(start));
}

// The message around a header: its metadata, padded, and then the body.
void AppendMessage(MessageHeader type, Table header, std::string_view body, FlatBufferBuilder* builder, std::string* out) {
  const flatbuffers::uoffset_t start = builder->StartTable();
  builder->AddElement<std::int64_t>(Slot(3), static_cast<std::int64_t>(body.size()), 0);
  builder->AddOffset(Slot(2), header);
  builder->AddElement<std::int16_t>(Slot(0), kVersion5, 0);
  builder->AddElement<std::uint8_t>(Slot(1), type, 0);
  builder->Finish(Table(builder->EndTable(start)));
  const std::size_t padding = (kAlignment - builder->GetSize() % kAlignment) % kAlignment;
  AppendInt32(kContinuation, out);
  AppendInt32(static_cast<std::uint32_t>(builder->GetSize() + padding), out);
  out->append(reinterpret_cast<const char*>(builder->GetBufferPointer()), builder->GetSize());
  out->append(padding, '\0');
  *out += body;
}

// Collects the buffers of a record batch; each begins at a multiple of 8.
class Body {
 public:
  void Add(std::string_view bytes) {
    buffers_.push_back({static_cast<std::int64_t>(bytes_.size()), static_cast<std::int64_t>(bytes.size())});
    bytes_ += bytes;
    PadTo8(&bytes_);
  }
  template <typename Bit>
  void AddBits(std::size_t rows, Bit bit) {
    std::string bits((rows + 7) / 8, '\0');
    for (std::size_t row = 0; row < rows; ++row) {
      if (bit(row)) bits[row / 8] = static_cast<char>(bits[row / 8] | 1 << row % 8);
    }
    Add(bits);
  }
  const std::string& bytes() const { return bytes_; }
  const std::vector<Buffer>& buffers() const { return buffers_; }

 private:
  std::string bytes_;
  std::vector<Buffer> buffers_;
};

std::int64_t AddValidity(const ColumnView& column, std::size_t from, std::size_t count, Body* body) {
  std::int64_t nulls = 0;
  for (std::size_t row = from; column.has_nulls() && row < from + count; ++row) nulls += column.IsNull(row) ? 1 : 0;
  if (nulls == 0) {
    body->Add({});
  } else {
    body->AddBits(count, [&](std::size_t row) { return !column.IsNull(from + row); });
  }
  return nulls;
}

void AddText(const ColumnView& column, std::size_t from, std::size_t count, Body* body) {
  std::vector<std::int32_t> offsets(count + 1);
  const std::int32_t first = column.TextOffset(from);
  for (std::size_t i = 0; i <= count; ++i) offsets[i] = column.TextOffset(from + i) - first;
  body->Add({reinterpret_cast<const char*>(offsets.data()), offsets.size() * sizeof offsets[0]});
  body->Add(column.Letters(from, count));
}

FieldNode AddColumn(const ColumnView& column, std::size_t from, std::size_t count, Body* body) {
  const FieldNode node = {static_cast<std::int64_t>(count), AddValidity(column, from, count, body)};
  if (column.kind() == ValueKind::kText) {
    AddText(column, from, count, body);
  } else if (column.kind() == ValueKind::kBool) {
    body->AddBits(count, [&](std::size_t row) { return column.Bool(from + row); });
  } else {
    body->Add(column.Values(from, count));
  }
  return node;
}

// A vector of structs of two 64-bit numbers.
template <typename Pair>
Offset<void> MakePairs(const std::vector<Pair>& pairs, FlatBufferBuilder* builder) {
  static_assert(sizeof(Pair) == 16);
  builder->StartVector(pairs.size() * sizeof(Pair) / kAlignment, kAlignment);
  builder->PushBytes(reinterpret_cast<const std::uint8_t*>(pairs.data()), pairs.size() * sizeof(Pair));
  return {builder->EndVector(pairs.size())};
}

class ArrowEncoder : public Encoder {
 public:
  explicit ArrowEncoder(const ArrowSchema& schema) {
    FlatBufferBuilder builder;
    AppendMessage(kSchema, MakeSchema(schema, &builder), {}, &builder, &begin_);
  }

  void Begin(std::string* out) override { *out += begin_; }

  void Encode(const Rows& rows, std::size_t from, std::size_t count, std::string* out) override {
    Body body;
    std::vector<FieldNode> nodes;
    for (const ColumnView& column : rows.columns()) nodes.push_back(AddColumn(column, from, count, &body));
    FlatBufferBuilder builder;
    const Offset<void> node_vector = MakePairs(nodes, &builder);
    const Offset<void> buffer_vector = MakePairs(body.buffers(), &builder);
    const flatbuffers::uoffset_t start = builder.StartTable();
    builder.AddElement<std::int64_t>(Slot(0), static_cast<std::int64_t>(count), 0);
    builder.AddOffset(Slot(1), node_vector);
    builder.AddOffset(Slot(2), buffer_vector);
    AppendMessage(kRecordBatch, Table(builder.EndTable(start)), body.bytes(), &builder, out);
  }

  void End(std::string* out) override {
    AppendInt32(kContinuation, out);
    AppendInt32(0, out);
  }

 private:
  std::string begin_;
};

}  // namespace

std::unique_ptr<Encoder> MakeArrowEncoder(const ArrowSchema& schema) { return std::make_unique<ArrowEncoder>(schema); }

}  // namespace weir::sensor
