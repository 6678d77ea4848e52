-- What wrk sends besides a GET, and its figures as one line of JSON.

function init(arguments)
  if arguments[1] == "post" then
    wrk.method = "POST"
    wrk.body = string.rep("x", 2048)
  elseif arguments[1] == "post-1m" then
    wrk.method = "POST"
    wrk.body = string.rep("x", 1000000)
  elseif arguments[1] == "close" then
    wrk.headers["Connection"] = "close"
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "errors": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
