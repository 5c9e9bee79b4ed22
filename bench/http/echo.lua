-- 100 bytes of JSON to wherever the command line says.
wrk.method = "POST"
wrk.body = '"' .. string.rep("x", 98) .. '"'
wrk.headers["Content-Type"] = "application/json"
