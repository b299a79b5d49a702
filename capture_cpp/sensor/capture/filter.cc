#include "capture/filter.h"

#include <array>
#include <exception>
#include <memory>

#include "events.h"

namespace weir::sensor {
namespace {

struct LinkPair {
  int dlt;
  std::uint32_t link_type;
};

// From libpcap's pcap-common.c: the types whose number in files is not the number on this system.
constexpr std::array<LinkPair, 6> kRenumbered = {{
    {DLT_ATM_RFC1483, 100},
    {DLT_RAW, 101},
    {DLT_SLIP_BSDOS, 102},
    {DLT_PPP_BSDOS, 103},
    {DLT_ATM_CLIP, 106},
    {DLT_PFSYNC, 246},
}};

// A filter that works on none of these works on nothing.
constexpr std::array<int, 6> kCommonDlts = {DLT_EN10MB, DLT_RAW, DLT_LINUX_SLL2, DLT_IEEE802_11_RADIO, DLT_PPP, DLT_PFLOG};

}  // namespace

std::uint32_t LinkTypeOfDlt(int dlt) {
  for (const LinkPair& pair : kRenumbered) {
    if (pair.dlt == dlt) return pair.link_type;
  }
  return static_cast<std::uint32_t>(dlt);
}

int DltOfLinkType(std::uint32_t link_type) {
  for (const LinkPair& pair : kRenumbered) {
    if (pair.link_type == link_type) return pair.dlt;
  }
  return static_cast<int>(link_type);
}

std::string LinkTypeName(std::uint32_t link_type) {
  const char* name = pcap_datalink_val_to_name(DltOfLinkType(link_type));
  return name != nullptr ? name : "link type " + std::to_string(link_type);
}

std::string FilterMistake(const std::string& text, const std::string& link_name, const std::string& reason) {
  return "the filter \"" + text + "\" does not work on " + link_name + ": " + reason + "; pcap-filter(7) has the grammar";
}

FileFilter::FileFilter(std::string text, std::uint32_t snaplen) : text_(std::move(text)), snaplen_(snaplen) {
  if (text_.empty()) return;
  std::exception_ptr mistake;
  for (const int dlt : kCommonDlts) {
    try {
      ProgramFor(LinkTypeOfDlt(dlt));  // names of hosts and services can still be looked up now
      return;  // should it make no sense for the link type that comes, that is the time to say so
    } catch (const SensorError&) {
      if (!mistake) mistake = std::current_exception();
    }
  }
  std::rethrow_exception(mistake);
}

FileFilter::~FileFilter() {
  for (auto& [link_type, program] : programs_) pcap_freecode(&program);
}

bpf_program& FileFilter::ProgramFor(std::uint32_t link_type) {
  const auto known = programs_.find(link_type);
  if (known != programs_.end()) return known->second;
  const std::unique_ptr<pcap_t, decltype(&pcap_close)> dead(
      pcap_open_dead(DltOfLinkType(link_type), static_cast<int>(snaplen_)), &pcap_close);
  bpf_program program = {};
  if (pcap_compile(dead.get(), &program, text_.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
    throw SensorError(ExitCode::kSettings, FilterMistake(text_, LinkTypeName(link_type), pcap_geterr(dead.get())));
  }
  return programs_.emplace(link_type, program).first->second;
}

bool FileFilter::Takes(std::uint32_t link_type, const RecordHeader& header, const std::uint8_t* data) {
  if (text_.empty()) return true;
  pcap_pkthdr lengths = {};
  lengths.caplen = header.captured;
  lengths.len = header.length;
  return pcap_offline_filter(&ProgramFor(link_type), &lengths, data) != 0;
}

}  // namespace weir::sensor
