// The columns of text: addresses, words and identifiers, written for a tile at once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "columns/flow_tile.h"

namespace weir {

// Room that one text of the column may need at most.
std::size_t LongestText(ColumnType type);

// Writes the texts of the tile's first rows one behind the other to `to`, and to `ends` where each
// ends, counted from `to` plus `base`. Returns the end of the last one.
char* WriteTexts(const ColumnDefinition& definition, const FlowTile& tile, std::size_t rows, std::int32_t base, char* to, std::int32_t* ends);

}  // namespace weir
