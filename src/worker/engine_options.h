#pragma once

// What doors share that have to do with engines.

#include <Rcpp.h>

#include <string>
#include <vector>

#include "engine/engine.h"

namespace avenir::doors {

// Shut down at the end of the session at the latest.
using EnginePointer =
    Rcpp::XPtr<engine::Engine, Rcpp::PreserveStorage, Rcpp::standard_delete_finalizer<engine::Engine>, true>;

inline engine::Engine& get_engine(SEXP pointer) {
  if (TYPEOF(pointer) != EXTPTRSXP || R_ExternalPtrAddr(pointer) == nullptr)
    throw base::Error(base::ErrorKind::kInvalid, "the workers of this plan have been shut down; call plan() again");
  return *static_cast<engine::Engine*>(R_ExternalPtrAddr(pointer));
}

inline std::vector<std::string> strings(const Rcpp::List& list, const char* name) {
  return Rcpp::as<std::vector<std::string>>(list[name]);
}

// What a session and a node tell of themselves: list(avenir, r, platform, libraries, host)
inline wire::NodeHello description_of(const Rcpp::List& list) {
  wire::NodeHello hello;
  hello.avenir = Rcpp::as<std::string>(list["avenir"]);
  hello.r = Rcpp::as<std::string>(list["r"]);
  hello.platform = Rcpp::as<std::string>(list["platform"]);
  hello.libraries = Rcpp::as<std::string>(list["libraries"]);
  hello.host = Rcpp::as<std::string>(list["host"]);
  return hello;
}

// For nodes: list(description, heartbeat, lost_after, threads), with those of the engine itself.
inline void add_node_options(const Rcpp::List& nodes, engine::EngineOptions& options) {
  options.nodes = true;
  options.hello = description_of(nodes["description"]);
  options.welcome.heartbeat = Rcpp::as<double>(nodes["heartbeat"]);
  options.welcome.lost_after = Rcpp::as<double>(nodes["lost_after"]);
  options.welcome.threads = Rcpp::as<unsigned>(nodes["threads"]);
  options.welcome.memory_limit = options.memory_limit;
  options.welcome.interrupt_grace = options.interrupt_grace;
  options.welcome.start_timeout = options.start_timeout;
}

inline engine::EngineOptions engine_options(const Rcpp::List& list) {
  engine::EngineOptions options;
  options.workers = Rcpp::as<unsigned>(list["workers"]);
  options.threads = Rcpp::as<unsigned>(list["threads"]);
  options.interrupt_grace = Rcpp::as<double>(list["interrupt_grace"]);
  options.memory_limit = static_cast<uint64_t>(Rcpp::as<double>(list["memory_limit"]));
  options.forks = list.containsElementNamed("forks");
  if (options.forks) return options;
  options.r.path = Rcpp::as<std::string>(list["path"]);
  options.r.argv = strings(list, "argv");
  options.r.environment = strings(list, "environment");
  options.r.directory = Rcpp::as<std::string>(list["directory"]);
  options.temp_folder = Rcpp::as<std::string>(list["temp_folder"]);
  options.start_timeout = Rcpp::as<double>(list["start_timeout"]);
  if (list.containsElementNamed("nodes")) add_node_options(list["nodes"], options);
  return options;
}

}  // namespace avenir::doors
