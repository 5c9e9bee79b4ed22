// The names by which AWS knows functions.
#ifndef RUNLET_EVENT_ARN_H_
#define RUNLET_EVENT_ARN_H_

#include <absl/status/status.h>

#include <string>
#include <string_view>

namespace runlet {

// Whose functions they pretend to be, in ARNs. Value.
struct Account {
  std::string region = "us-east-1";
  std::string id = "000000000000";  // 12 digits
};

// InvalidArgument that names what is wrong.
absl::Status CheckAccount(const Account& account);

// "arn:aws:lambda:us-east-1:000000000000:function:resize:$LATEST"; without the last part where `qualifier` is empty.
std::string FunctionArn(const Account& account, std::string_view function, std::string_view qualifier);

}  // namespace runlet

#endif  // RUNLET_EVENT_ARN_H_
