// The calls of the control plane, as Lambda's service model names them.
#ifndef RUNLET_SRC_HTTP_OPERATIONS_H_
#define RUNLET_SRC_HTTP_OPERATIONS_H_

#include "http/operation.h"

namespace runlet::http {

// functions.cc
Outcome CreateFunction(const OperationCall& call);
Outcome UpdateFunctionCode(const OperationCall& call);
Outcome ListFunctions(const OperationCall& call);
Outcome GetFunction(const OperationCall& call);
Outcome GetFunctionConfiguration(const OperationCall& call);
Outcome UpdateFunctionConfiguration(const OperationCall& call);
Outcome DeleteFunction(const OperationCall& call);

// concurrency.cc
Outcome PutFunctionConcurrency(const OperationCall& call);
Outcome GetFunctionConcurrency(const OperationCall& call);
Outcome DeleteFunctionConcurrency(const OperationCall& call);
Outcome PutProvisionedConcurrencyConfig(const OperationCall& call);
Outcome GetProvisionedConcurrencyConfig(const OperationCall& call);
Outcome DeleteProvisionedConcurrencyConfig(const OperationCall& call);
Outcome ListProvisionedConcurrencyConfigs(const OperationCall& call);

// event_invoke_configs.cc
Outcome PutFunctionEventInvokeConfig(const OperationCall& call);
Outcome UpdateFunctionEventInvokeConfig(const OperationCall& call);
Outcome GetFunctionEventInvokeConfig(const OperationCall& call);
Outcome DeleteFunctionEventInvokeConfig(const OperationCall& call);
Outcome ListFunctionEventInvokeConfigs(const OperationCall& call);

// versions.cc
Outcome PublishVersion(const OperationCall& call);
Outcome ListVersionsByFunction(const OperationCall& call);
Outcome CreateAlias(const OperationCall& call);
Outcome GetAlias(const OperationCall& call);
Outcome UpdateAlias(const OperationCall& call);
Outcome DeleteAlias(const OperationCall& call);
Outcome ListAliases(const OperationCall& call);

// account.cc
Outcome GetAccountSettings(const OperationCall& call);
Outcome PutFunctionRecursionConfig(const OperationCall& call);
Outcome GetFunctionRecursionConfig(const OperationCall& call);
Outcome TagResource(const OperationCall& call);
Outcome UntagResource(const OperationCall& call);
Outcome ListTags(const OperationCall& call);

// function_url_configs.cc
Outcome CreateFunctionUrlConfig(const OperationCall& call);
Outcome GetFunctionUrlConfig(const OperationCall& call);
Outcome UpdateFunctionUrlConfig(const OperationCall& call);
Outcome DeleteFunctionUrlConfig(const OperationCall& call);
Outcome ListFunctionUrlConfigs(const OperationCall& call);

// absent.cc: what a program with functions in it does not have.
Outcome GetPolicy(const OperationCall& call);
Outcome GetFunctionCodeSigningConfig(const OperationCall& call);
Outcome GetRuntimeManagementConfig(const OperationCall& call);
Outcome ListEventSourceMappings(const OperationCall& call);
Outcome GetEventSourceMapping(const OperationCall& call);
Outcome ListLayers(const OperationCall& call);
// Changes that cannot be made here.
Outcome NotOffered(const OperationCall& call);

}  // namespace runlet::http

#endif  // RUNLET_SRC_HTTP_OPERATIONS_H_
