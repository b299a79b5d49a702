// What the sensor has counted so far, in memory that outlives it: a small file of the spool, mapped
// and shared with the kernel. Writing to it costs no system call, and after a kill -9 the next
// sensor reads in it what became of the packets. (After a power cut it may be old; the counts
// between are then unknown.)
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include "counters.h"
#include "store/names.h"

namespace weir::sensor {

// A sealed segment that is given up for others, and what the next manifest says of its packets.
struct Dropping {
  Stem stem;
  Counters counters;
};

// What all sealed segments of one start said together.
struct SealedSoFar {
  std::uint64_t segments = 0;
  Counters counters;  // of packets that this start saw
  std::string previous_sha256;
  Counters carried;  // of segments dropped since the last seal, for the next one
  // The drop that is under way. Nobody who is killed can remove a file and count at once, so its counts are
  // here before its manifest goes: where neither that nor an acknowledgement is there, they hold as if carried.
  std::optional<Dropping> dropping;
};

// What a manifest says of all segments of one start.
struct Origin {
  std::string source;
  std::string filter;
  std::string privacy;
};

// What a dead sensor left.
struct LastWords {
  Origin origin;
  SealedSoFar sealed;
  Counters seen;                 // received, read, filtered, kernel_dropped, interface_dropped: all since its start
  std::uint64_t drop_spool = 0;  // since its last seal
};

class Checkpoint {
 public:
  // In memory only, for a sensor without spool.
  Checkpoint();
  // As a file in `folder`. Where that cannot be made (a full disk), stays in memory and says why.
  std::error_code MakeFile(int folder, const std::string& name, const Origin& origin);
  ~Checkpoint();
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  // By the capture thread.
  void CountRead() { Bump(&page_->read); }
  void CountFiltered() {
    Bump(&page_->read);
    Bump(&page_->filtered);
  }
  void CountDrops(std::uint64_t kernel, std::uint64_t interface);

  // By the writing thread.
  void SetSpoolDrops(std::uint64_t packets) { page_->drop_spool.store(packets, std::memory_order_relaxed); }
  void SetSealed(const SealedSoFar& sealed);
  // Where only what is carried or being dropped is new.
  void SetCarried(const SealedSoFar& sealed);

  // Nothing where the file is not a whole checkpoint; an error where it is there and cannot be read.
  static std::optional<LastWords> Read(int folder, const std::string& name, std::error_code* error);
  // Of a dead sensor, once something was settled in its name; the origin stays.
  static std::error_code Amend(int folder, const std::string& name, const LastWords& words);

 private:
  using Number = std::atomic<std::uint64_t>;
  static_assert(Number::is_always_lock_free);

  struct Slot {
    Number segments;
    Number counters[10];
    char previous_sha256[64];
    Number has_previous;
    Number carried[10];
    Number is_dropping;
    char dropping_boot[24];
    Number dropping_seq;
    Number dropping[10];
  };
  struct Page {
    Number magic;
    Number read;
    Number filtered;
    Number kernel_dropped;
    Number interface_dropped;
    Number drop_spool;
    Number active;  // which of the slots holds; the other may be half written
    Slot slots[2];
    char source[1024];
    char filter[2048];
    char privacy[16];
  };
  static_assert(sizeof(Page) <= 4096);  // one page of memory

  // Each number has one writer, so that no locked instruction is needed.
  static void Bump(Number* number) {
    number->store(number->load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  std::unique_ptr<Page> own_;
  Page* page_;
};

}  // namespace weir::sensor
