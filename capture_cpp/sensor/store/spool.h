// The folder in which segments wait for the collector. One sensor of a name writes in it at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "counters.h"
#include "disk.h"
#include "store/names.h"

namespace weir::sensor {

class Spool {
 public:
  // Makes the folder where it is missing and takes the lock. Throws SensorError that names the
  // sensor holding it.
  Spool(std::string folder, std::string sensor, std::uint64_t limit_bytes);

  int folder() const { return folder_.get(); }
  const std::string& path() const { return path_; }
  // All names in the folder, hidden ones too.
  std::vector<std::string> Names() const;
  bool Exists(const std::string& name) const;
  // The whole text of a file of the folder; empty where it cannot be read, or is no regular file.
  std::string ReadText(const std::string& name) const;

  // Whether `bytes` more stay within the limit, after leftovers of acknowledged segments were
  // removed if need be.
  bool HasRoomFor(std::uint64_t bytes);
  void Grew(std::uint64_t bytes) { used_ += bytes; }
  struct Sealed {
    Stem stem;
    Counters counters;   // of its manifest; none where that cannot be read
    std::string sha256;  // by its manifest; empty where that cannot be read
  };
  // The oldest sealed segment; nothing where there is none.
  std::optional<Sealed> Oldest() const;
  // Removes it, unacknowledged as it is. no_such_file_or_directory where a collector was faster and has its counts.
  std::error_code Drop(const Sealed& segment);
  // Whether `name`, a segment's without suffix, has a manifest, or had one until it was collected.
  bool IsSealed(const std::string& name) const;
  // Removes what acknowledged segments left behind, and the oldest acknowledgements themselves.
  void Tidy();
  void RemoveFile(const std::string& name) const;

 private:
  void Lock();
  void Measure();
  std::vector<Stem> Stems(std::string_view suffix) const;
  std::optional<std::string> DigestOf(const std::string& name) const;
  bool IsAcknowledged(const std::string& name) const;
  void SayForeign(const std::string& ack);
  void Remove(const Stem& stem, std::string_view suffix);

  std::string path_;
  std::string sensor_;
  Descriptor folder_;
  Descriptor lock_;
  std::uint64_t limit_;
  std::uint64_t used_ = 0;
  std::set<std::string> foreign_acks_;  // that were said already
};

}  // namespace weir::sensor
