// Gives up what the sensor no longer needs once its source is open: another user's rights, all
// capabilities, every file but the spool, every system call but those of reading and writing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weir::sensor {

// Becomes this user, with no other groups; an empty name changes nothing. Throws SensorError where
// there is no such user or this one may not.
void BecomeUser(const std::string& user);

// Must be called before any thread is started. `folder` may be written afterwards; -1 for none. TCP
// connections can be made to `ports` only. What an old kernel cannot do is said on stderr.
void EnterSandbox(int folder, const std::vector<std::uint16_t>& ports);

// Enters the sandbox, tries what it should forbid, and prints a line for each. True where all is as
// declared.
bool CheckSandbox(int folder, const std::vector<std::uint16_t>& ports);

}  // namespace weir::sensor
