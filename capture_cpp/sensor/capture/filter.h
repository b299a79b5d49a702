// A BPF filter, compiled for one link type after the other as they come.
#pragma once

#include <pcap/pcap.h>

#include <cstdint>
#include <map>
#include <string>

#include "batch.h"

namespace weir::sensor {

// LINKTYPE_ values are those in files, DLT_ values those inside libpcap; a few differ.
std::uint32_t LinkTypeOfDlt(int dlt);
int DltOfLinkType(std::uint32_t link_type);
std::string LinkTypeName(std::uint32_t link_type);

class FileFilter {
 public:
  // An empty text takes every packet.
  FileFilter(std::string text, std::uint32_t snaplen);
  ~FileFilter();
  FileFilter(const FileFilter&) = delete;
  FileFilter& operator=(const FileFilter&) = delete;

  // Throws SensorError where the text is no filter, or has no meaning for this link type.
  bool Takes(std::uint32_t link_type, const RecordHeader& header, const std::uint8_t* data);

 private:
  bpf_program& ProgramFor(std::uint32_t link_type);

  std::string text_;
  std::uint32_t snaplen_;
  std::map<std::uint32_t, bpf_program> programs_;
};

// What to say about a filter that does not compile.
std::string FilterMistake(const std::string& text, const std::string& link_name, const std::string& reason);

}  // namespace weir::sensor
