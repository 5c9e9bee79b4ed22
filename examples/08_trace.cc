// A picture of a run: posts, retries and dead letters in a trace that ui.perfetto.dev opens.
//
//     trace [FILE]   writes FILE, by default trace.json
#include <fmt/format.h>
#include <runlet/observe/trace.h>
#include <runlet/runlet.h>
#include <runlet/testing/simulation.h>

#include <string>

#include "expect.h"

struct Parcel {
  std::string to;
  int kilograms = 0;
};
inline constexpr runlet::Function<Parcel> kPack{"pack"};
inline constexpr runlet::Function<Parcel> kShip{"ship"};

int main(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : "trace.json";

  // [trace]
  runlet::ChromeTrace trace;  // outlives the engine
  runlet::EngineOptions options;
  options.observer = &trace;
  // [/trace]
  // In virtual time, so that the minutes between retries cost none. A program gives its options to Engine::Create.
  runlet::testing::SimulationOptions simulated;
  simulated.engine = std::move(options);
  {
    runlet::testing::Simulation sim(std::move(simulated));
    runlet::Engine& engine = sim.engine();

    ExpectOk(engine.Register(kPack, [&engine](const Parcel& parcel, runlet::Context& context) -> absl::Status {
      context.Sleep(absl::Milliseconds(40 * parcel.kilograms));
      return engine.Post(kShip, parcel).status();
    }));
    ExpectOk(engine.Register(kShip, [](const Parcel& parcel, runlet::Context& context) -> absl::Status {
      context.Sleep(absl::Milliseconds(100));
      if (parcel.kilograms > 30) return runlet::Permanent(absl::InvalidArgumentError("too heavy"));
      if (parcel.to == "Ada" && context.attempt() < 3) return absl::UnavailableError("nobody \"at home\"");
      return absl::OkStatus();
    }));

    ExpectOk(engine.PostAll(kPack, {{"Ada", 2}, {"Grace", 5}, {"Edsger", 31}}));
    sim.RunUntilIdle();
    Expect(sim.DeadLetters().size() == 1, "one parcel was too heavy");
  }

  ExpectOk(trace.WriteTo(path));
  Expect(trace.dropped() == 0, "so few records fit");
  fmt::print("open {} in https://ui.perfetto.dev\n", path);
}
