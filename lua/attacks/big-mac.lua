return attack "big-mac" {
  summary  = "A client authenticates its requests for the leader alone: where requests bear MACs, the leader proposes what no backup can accept.",
  source   = "Clement et al., Making Byzantine fault tolerant systems tolerate Byzantine faults (Aardvark), NSDI'09",
  tags     = { "performance", "client" },
  kinds    = { "request" },
  args     = {
    share = { 1.0, "of its requests, so many are spoilt, 0 to 1", min = 0, max = 1 },
  },
  traitors = { 128 },
  expect   = { safety = true },
  verdict  = "expected  performance  a view change for every spoilt request, where requests bear MACs",

  on_message = function(c, m, a)
    if m.from ~= 128 or m.signer ~= 128 then return end
    if c:random("share " .. m.slot) >= a.share then return end
    local macs = m.envelope.macs
    if #macs == 0 then
      if not c.state.told then c:note("requests bear signatures, which are the same for all") end
      c.state.told = true
      -- The nearest thing to it: a signature that nobody accepts.
      local spoilt = m:copy()
      local signature = m.envelope.signature
      spoilt.envelope.signature = signature:sub(1, -2) .. string.char(signature:byte(-1) ~ 1)
      return replace(spoilt, "a signature that does not hold")
    end
    -- One MAC for each replica, in their order.
    local size, leader, parts = #macs // c.n, c:leader(c.view), {}
    for id = 0, c.n - 1 do
      local mac = macs:sub(id * size + 1, (id + 1) * size)
      parts[id + 1] = id == leader and mac or mac:sub(1, -2) .. string.char(mac:byte(-1) ~ 1)
    end
    local spoilt = m:copy()
    spoilt.envelope.macs = table.concat(parts)
    return replace(spoilt, "authentic for the leader alone")
  end,
}
