return attack "three-generals" {
  summary  = "One traitor among three: where two votes decide it lies and the other two part ways; where three are needed its silence halts them.",
  source   = "Lamport, Shostak, Pease, The Byzantine Generals Problem, TOPLAS 1982, section 2; Bracha & Toueg 1985",
  tags     = { "safety", "liveness", "theory" },
  kinds    = "all",
  args     = { treason = { "fitting", "\"lie\", \"silence\", or \"fitting\": whichever the quorum cannot withstand" } },
  traitors = function(c) return { c:leader(c.view) } end,
  expect   = { safety = false, liveness = false },
  verdict  = "expected  agreement  with n = 3 and quorum 2, one traitor suffices: 3f+1 replicas are needed",

  on_start = function(c, a)
    -- Two quorums share at least 2q-n replicas: if all of these may be the traitor, both may decide differently.
    local lies = 2 * c.quorum - c.n <= 1
    if a.treason ~= "fitting" then lies = a.treason == "lie" end
    c.state.lies = lies
    if lies then
      c:note(("quorums of %d of %d share %d replica: the traitor can be all of it, so it lies"):format(c.quorum, c.n, 2 * c.quorum - c.n))
    else
      c:note(("quorums of %d of %d need the traitor itself: it is silent"):format(c.quorum, c.n))
    end
  end,

  on_message = function(c, m, a)
    if not c.state.lies then
      if c:is_traitor(m.from) then return drop("silent") end
      return
    end
    if not (m.kind == "propose" or m.kind == "vote") or not m:has("signer") or not c:is_traitor(m.signer) then return end
    local e = c.state[m.slot]
    if m.kind == "propose" and not e then
      local second, why = m:perturb()
      if not second then return c:note(why) end
      e = { second = second:sign(m.signer), side = c:split(c:backups(m.view), 1/2, m.slot) }
      c.state[m.slot] = e
    end
    if not (e and e.side[m.to]) then return end
    if m.kind == "propose" then return replace(e.second, "another order to the other general") end
    return replace(m:vote_for(e.second):sign(m.signer), "and the vote that goes with it")
  end,
}
