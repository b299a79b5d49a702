#include "flows/rows.h"

#include <cstring>
#include <stdexcept>

namespace weir::sensor {
namespace {

struct Format {
  char letter;
  ValueKind kind;
  std::size_t width;
};

// https://arrow.apache.org/docs/format/CDataInterface.html, "Data type description".
constexpr Format kFormats[] = {
    {'c', ValueKind::kSigned, 1}, {'C', ValueKind::kUnsigned, 1}, {'s', ValueKind::kSigned, 2}, {'S', ValueKind::kUnsigned, 2},
    {'i', ValueKind::kSigned, 4}, {'I', ValueKind::kUnsigned, 4}, {'l', ValueKind::kSigned, 8}, {'L', ValueKind::kUnsigned, 8},
    {'f', ValueKind::kReal, 4},   {'g', ValueKind::kReal, 8},     {'b', ValueKind::kBool, 0},   {'u', ValueKind::kText, 0},
};

const Format& FormatOf(const ArrowSchema& column) {
  for (const Format& format : kFormats) {
    if (column.format[0] == format.letter && column.format[1] == '\0') return format;
  }
  throw std::invalid_argument("column " + std::string(column.name) + " has the Arrow type \"" + column.format +
                              "\", which flow rows cannot be written with");
}

}  // namespace

ValueKind KindOf(const ArrowSchema& column) { return FormatOf(column).kind; }
std::size_t WidthOf(const ArrowSchema& column) { return FormatOf(column).width; }

ColumnView::ColumnView(const ArrowSchema& schema, const ArrowArray& array)
    : name_(schema.name), kind_(KindOf(schema)), width_(WidthOf(schema)), validity_(array.buffers[0]), values_(array.buffers[1]),
      offset_(static_cast<std::size_t>(array.offset)), null_count_(array.null_count) {
  if (kind_ == ValueKind::kText) letters_ = static_cast<const char*>(array.buffers[2]);
}

bool ColumnView::Bit(const void* bits, std::size_t row) const {
  const std::size_t at = offset_ + row;
  return (static_cast<const std::uint8_t*>(bits)[at / 8] >> (at % 8) & 1) != 0;
}

template <typename Value>
Value ColumnView::At(const void* values, std::size_t row) const {
  Value value;
  std::memcpy(&value, static_cast<const char*>(values) + (offset_ + row) * sizeof value, sizeof value);
  return value;
}

std::int64_t ColumnView::Signed(std::size_t row) const {
  switch (width_) {
    case 1: return At<std::int8_t>(values_, row);
    case 2: return At<std::int16_t>(values_, row);
    case 4: return At<std::int32_t>(values_, row);
    default: return At<std::int64_t>(values_, row);
  }
}

std::uint64_t ColumnView::Unsigned(std::size_t row) const {
  switch (width_) {
    case 1: return At<std::uint8_t>(values_, row);
    case 2: return At<std::uint16_t>(values_, row);
    case 4: return At<std::uint32_t>(values_, row);
    default: return At<std::uint64_t>(values_, row);
  }
}

double ColumnView::Real(std::size_t row) const {
  return width_ == sizeof(float) ? static_cast<double>(At<float>(values_, row)) : At<double>(values_, row);
}

std::int32_t ColumnView::TextOffset(std::size_t row) const { return At<std::int32_t>(values_, row); }

std::string_view ColumnView::Letters(std::size_t from, std::size_t rows) const {
  const auto begin = static_cast<std::size_t>(TextOffset(from));
  return {letters_ + begin, static_cast<std::size_t>(TextOffset(from + rows)) - begin};
}

std::string_view ColumnView::Text(std::size_t row) const { return Letters(row, 1); }

std::string_view ColumnView::Values(std::size_t from, std::size_t rows) const {
  return {static_cast<const char*>(values_) + (offset_ + from) * width_, rows * width_};
}

Rows::Rows(const ArrowSchema& schema, const ArrowArray& array) : size_(static_cast<std::size_t>(array.length)) {
  columns_.reserve(static_cast<std::size_t>(schema.n_children));
  for (std::int64_t i = 0; i < schema.n_children; ++i) columns_.emplace_back(*schema.children[i], *array.children[i]);
}

const ColumnView* Rows::Find(std::string_view name) const {
  for (const ColumnView& column : columns_) {
    if (column.name() == name) return &column;
  }
  return nullptr;
}

}  // namespace weir::sensor
