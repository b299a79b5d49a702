// An interface as a source, through libpcap's ring.
#pragma once

#include <memory>

#include "capture/capture_source.h"
#include "capture_options.h"

namespace weir::sensor {

// Opens the ring; no packet is counted before Run. Throws SensorError naming the interface and what to do.
std::unique_ptr<CaptureSource> OpenLiveSource(const Options& options);

}  // namespace weir::sensor
