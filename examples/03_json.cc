// A typed function called with JSON text: what a command line, a file or a socket has to offer.
#include <fmt/format.h>
#include <runlet/codec/json.h>  // where functions are registered; callers do not need it
#include <runlet/runlet.h>

#include <string>
#include <vector>

#include "expect.h"

struct Order {
  std::string customer;
  std::vector<double> prices;
};
struct Bill {
  std::string customer;
  double total = 0;
};
// nlohmann/json's own macro: any type that the library can convert will do.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Order, customer, prices)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Bill, customer, total)

inline constexpr runlet::Function<Order, Bill> kBill{"bill"};

int main() {
  runlet::Engine engine;
  ExpectOk(engine.Register(kBill, [](const Order& order) {
    Bill bill{order.customer, 0};
    for (const double price : order.prices) bill.total += price;
    return bill;
  }));

  // With its types nothing is encoded: the value is moved into the engine and out again.
  const absl::StatusOr<Bill> typed = engine.Invoke(kBill, {"Ada", {1.5, 2.0}});
  Expect(typed.ok() && typed->total == 3.5, "a typed call needs no text");

  // By name the same function speaks JSON.
  const absl::StatusOr<std::string> text = engine.Invoke("bill", R"({"customer": "Ada", "prices": [1.5, 2.0]})");
  ExpectOk(text.status());
  fmt::print("{}\n", *text);
  Expect(*text == R"({"customer":"Ada","total":3.5})", "a call by name answers with JSON");

  // Text that is no Order is refused before anything runs. Check is a dry run: it says so without calling.
  const absl::Status refused = engine.Check("bill", "{");
  fmt::print("{}\n", refused.ToString());
  Expect(refused.code() == absl::StatusCode::kInvalidArgument, "text that is no JSON is refused");
  Expect(engine.Invoke("bill", "{").status().code() == refused.code(), "Invoke refuses what Check refuses");
  Expect(engine.Metrics("bill")->invocations == 2, "what was refused never ran");
}
