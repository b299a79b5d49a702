// The lines of --check-sandbox: what a confined process tries, and whether it came out as declared.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "disk.h"

namespace weir::sensor {

class Promises {
 public:
  // Made before the process confines itself. `whose` begins each line.
  explicit Promises(std::string whose = "");

  // Prints whether `attempt` came out as it should.
  void Try(const std::string& what, bool should_work, const std::function<bool()>& attempt);
  // Prints whether the kernel says what it should behind a name such as CapEff, which is a hexadecimal number.
  void Read(const std::string& what, const std::string& name, std::uint64_t expected);
  // What both kinds of process promise: no socket for packets, no process, no program, no root, no rights.
  void TryRights();
  // `allowed` is a port that connections may be made to.
  void TryConnectingElsewhere(const std::string& what, std::uint16_t allowed);
  // Whether all came out so.
  bool kept() const { return kept_; }

 private:
  void Print(bool is_kept, const std::string& outcome);
  std::optional<std::uint64_t> StatusOf(std::string_view name) const;

  std::string whose_;
  Descriptor status_;  // opened while /proc can be read
  bool kept_ = true;
};

// Whether a connection can be made by sending, at least to be turned away.
bool CanFastOpen();
bool CanOpen(const char* path, int flags);
bool CanMakeSocket(int family, int type, int protocol = 0);

}  // namespace weir::sensor
