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
