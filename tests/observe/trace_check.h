// Reads a trace as its viewers do.
#ifndef RUNLET_TESTS_OBSERVE_TRACE_CHECK_H_
#define RUNLET_TESTS_OBSERVE_TRACE_CHECK_H_

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runlet/observe/trace.h"
#include "tests/catch.h"

namespace runlet {

// A trace that has been checked: it is JSON, each record has what its phase needs, the slices of a track are nested in
// each other or apart, and every arrow goes from one slice to another, forward in time and
// in the file.
class CheckedTrace {
 public:
  explicit CheckedTrace(const ChromeTrace& trace) : CheckedTrace(trace.ToJson()) {}
  explicit CheckedTrace(const std::string& text) : all_(nlohmann::json::parse(text, nullptr, false)) {
    REQUIRE(!all_.is_discarded());
    REQUIRE(all_.is_array());
    CheckRecords();
    CheckTracks();
    CheckFlows();
  }

  const nlohmann::json& all() const { return all_; }
  // The slices of attempts and calls.
  std::vector<nlohmann::json> executions() const {
    std::vector<nlohmann::json> found;
    for (const nlohmann::json& record : all_) {
      if (record.at("ph") == "X" && record.at("args").contains("outcome")) found.push_back(record);
    }
    return found;
  }
  std::vector<nlohmann::json> Marks(const std::string& name) const {
    std::vector<nlohmann::json> found;
    for (const nlohmann::json& record : all_) {
      if (record.at("ph") == "i" && record.at("name") == name) found.push_back(record);
    }
    return found;
  }
  std::size_t arrows() const { return arrows_; }

  static std::int64_t Ns(const nlohmann::json& microseconds) { return std::llround(microseconds.get<double>() * 1000); }

 private:
  struct Slice {
    std::int64_t begin, end;
  };

  void CheckRecords() {
    for (const nlohmann::json& record : all_) {
      INFO(record.dump());
      REQUIRE(record.at("name").is_string());
      REQUIRE(record.at("pid") == 1);
      REQUIRE(record.at("tid").is_number_unsigned());
      const std::string phase = record.at("ph");
      REQUIRE(std::string("MXisf").find(phase) != std::string::npos);
      if (phase == "M") continue;
      REQUIRE(record.at("ts").get<double>() >= 0);
      if (phase == "X") REQUIRE(record.at("dur").get<double>() >= 0);
      if (phase == "X")
        slices_[record.at("tid")].push_back({Ns(record.at("ts")), Ns(record.at("ts")) + Ns(record.at("dur"))});
    }
  }

  void CheckTracks() const {
    for (const auto& [track, slices] : slices_) {
      std::vector<std::int64_t> open;
      std::int64_t last = 0;
      for (const Slice& slice : slices) {
        REQUIRE(slice.begin >= last);
        last = slice.begin;
        while (!open.empty() && open.back() <= slice.begin) open.pop_back();
        if (!open.empty()) REQUIRE(slice.end <= open.back());
        open.push_back(slice.end);
      }
    }
  }

  void CheckFlows() {
    std::map<int, std::vector<const nlohmann::json*>> ends;
    for (const nlohmann::json& record : all_) {
      if (record.at("ph") == "s" || record.at("ph") == "f") ends[record.at("id").get<int>()].push_back(&record);
    }
    for (auto& [id, pair] : ends) {
      INFO(id);
      REQUIRE(pair.size() == 2);
      REQUIRE(pair[0]->at("ph") == "s");
      REQUIRE(pair[1]->at("ph") == "f");
      REQUIRE(pair[1]->at("bp") == "e");
      REQUIRE(Ns(pair[0]->at("ts")) <= Ns(pair[1]->at("ts")));
      for (const nlohmann::json* end : pair) {
        REQUIRE(end->at("name") == pair[0]->at("name"));
        REQUIRE(end->at("cat") == pair[0]->at("cat"));
        bool in_slice = false;
        for (const Slice& slice : slices_[end->at("tid")]) {
          in_slice = in_slice || (slice.begin <= Ns(end->at("ts")) && Ns(end->at("ts")) <= slice.end);
        }
        REQUIRE(in_slice);
      }
      ++arrows_;
    }
  }

  const nlohmann::json all_;
  std::map<int, std::vector<Slice>> slices_;
  std::size_t arrows_ = 0;
};

}  // namespace runlet

#endif  // RUNLET_TESTS_OBSERVE_TRACE_CHECK_H_
