// What a finished flow's row says, out of what was kept of the flow.
#pragma once

#include "columns/flow_tile.h"
#include "record/flow_record.h"

namespace weir {

// Writes the row of a flow of one packet.
void WriteSingle(const FlowHead& head, const FirstPacket& first, EndReason reason, std::size_t row, FlowTile* tile);

// Writes the row of a flow of two.
void WritePair(const FlowHead& head, const FirstPacket& first, const LaterPacket& second, EndReason reason, std::size_t row, FlowTile* tile);

// Writes the row of a flow of more.
void WriteRow(const FlowHead& head, const FirstPacket& first, const FlowRecord& record, EndReason reason, std::size_t row, FlowTile* tile);

}  // namespace weir
