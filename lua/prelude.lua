-- What every script may use beside the functions made in C.

-- How long things take in the simulation: tables that name their model, read by scenario_models.c.
function uniform(least, most)
  return { model = "uniform", least = least, most = most }
end

function constant(seconds)
  return { model = "constant", seconds = seconds }
end

function log_normal(median, sigma, most)
  return { model = "log_normal", median = median, sigma = sigma, most = most }
end

function regions(map)
  return { model = "regions", map = map }
end

-- For attacks that stop a leader until something has happened: c:pause(id), and a function that resumes it, once; it does
-- so by itself when the seconds have passed.
function pause_for(c, id, seconds)
  local paused = true
  local function resume(c)
    if paused then c:resume(id) end
    paused = false
  end
  c:pause(id)
  c:after(seconds, resume)
  return resume
end
