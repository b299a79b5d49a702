// Finished flows as the encoders see them: named columns behind Arrow's C data interface. No column
// is known by name here, so one that is added to the flow core is written out by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "columns/arrow.h"

namespace weir::sensor {

// ARROW_FLAG_NULLABLE of the C data interface.
inline constexpr std::int64_t kArrowNullable = 2;

enum class ValueKind : std::uint8_t { kSigned, kUnsigned, kReal, kBool, kText };

// One column of a batch; valid as long as the arrays it was made from.
class ColumnView {
 public:
  // Throws std::invalid_argument where the type is none of those above.
  ColumnView(const ArrowSchema& schema, const ArrowArray& array);

  std::string_view name() const { return name_; }
  ValueKind kind() const { return kind_; }
  std::size_t width() const { return width_; }  // B per value; 0 for text and bool
  bool has_nulls() const { return validity_ != nullptr && null_count_ != 0; }

  bool IsNull(std::size_t row) const { return has_nulls() && !Bit(validity_, row); }
  std::int64_t Signed(std::size_t row) const;
  std::uint64_t Unsigned(std::size_t row) const;
  double Real(std::size_t row) const;
  bool Bool(std::size_t row) const { return Bit(values_, row); }
  std::string_view Text(std::size_t row) const;

  // For copying whole columns: the bytes of the values of [from, from + rows), not for bool or text.
  std::string_view Values(std::size_t from, std::size_t rows) const;
  std::int32_t TextOffset(std::size_t row) const;
  std::string_view Letters(std::size_t from, std::size_t rows) const;

 private:
  bool Bit(const void* bits, std::size_t row) const;
  template <typename Value>
  Value At(const void* values, std::size_t row) const;

  std::string_view name_;
  ValueKind kind_;
  std::size_t width_;
  const void* validity_;
  const void* values_;
  const char* letters_ = nullptr;
  std::size_t offset_;
  std::int64_t null_count_;
};

// What a column's Arrow format string says: "l", "u" and so on. Throws std::invalid_argument.
ValueKind KindOf(const ArrowSchema& column);
std::size_t WidthOf(const ArrowSchema& column);

// All columns of a batch of rows.
class Rows {
 public:
  Rows(const ArrowSchema& schema, const ArrowArray& array);

  std::size_t size() const { return size_; }
  const std::vector<ColumnView>& columns() const { return columns_; }
  // The column of this name, or null.
  const ColumnView* Find(std::string_view name) const;

 private:
  std::size_t size_;
  std::vector<ColumnView> columns_;
};

}  // namespace weir::sensor
