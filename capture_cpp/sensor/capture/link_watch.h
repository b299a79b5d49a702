// What the kernel says of an interface over netlink: whether it is there, up, and what it lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "disk.h"

namespace weir::sensor {

// One message about one interface.
struct LinkNews {
  bool exists = false;
  bool is_up = false;  // administratively, and with a carrier
  int index = 0;
  unsigned short type = 0;  // ARPHRD_ value
  std::string name;
  std::optional<std::uint64_t> dropped;  // by the interface or its driver: missed and FIFO errors
};

// The messages about links in what a netlink socket gave; what is cut or odd is left out.
std::vector<LinkNews> ParseLinkNews(std::span<const std::byte> datagram);

class LinkWatch {
 public:
  // Of this interface; "any" and a system without netlink give a watch that says nothing.
  explicit LinkWatch(const std::string& interface);

  bool is_working() const { return socket_.open(); }
  int descriptor() const { return socket_.get(); }
  int index() const { return index_; }
  // Asks for the state now; the answer is among the next news.
  void Ask();
  // What came since the last call, of this interface, or of one that bears its name where it is gone.
  std::vector<LinkNews> Take();
  // From now on watches the one with this index, which bears the name.
  void Follow(const LinkNews& successor);

 private:
  bool IsOurs(LinkNews* news);

  std::string interface_;
  Descriptor socket_;
  int index_ = 0;  // 0 while there is none
  unsigned short type_ = 0;
};

}  // namespace weir::sensor
