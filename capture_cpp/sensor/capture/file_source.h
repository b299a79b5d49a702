// A capture file as a source: pcap or pcapng, from a path or from stdin.
#pragma once

#include <memory>

#include "capture/capture_source.h"
#include "capture_options.h"

namespace weir::sensor {

// Throws CaptureError where the file cannot be opened or is no capture; for stdin, Run() does.
std::unique_ptr<CaptureSource> OpenFileSource(const Options& options);

}  // namespace weir::sensor
