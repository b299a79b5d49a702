// What a look-up process keeps: reading what name look-up reads, and sockets to ask name servers and caches.
#pragma once

#include <string>

#include "capture_options.h"
#include "promises.h"

namespace weir::sensor {

// Becomes `user`, or nobody where root names none, and gives up all else. Throws SensorError where it cannot
// become `user`. What an old kernel cannot do is said on stderr.
void EnterLookUpSandbox(const std::string& user);

// Enters it and tries what it should forbid: above all, reading the keys that `options` name.
void CheckLookUpSandbox(const Options& options, Promises* promises);

}  // namespace weir::sensor
