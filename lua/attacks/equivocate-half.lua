return attack "equivocate-half" {
  summary  = "The leader shows part of the backups a second, validly signed proposal, and votes on each side for what it showed.",
  source   = "Bano et al., Twins, OPODIS'21; Castro & Liskov, OSDI'99, section 4.2 (why prepares name a digest)",
  tags     = { "safety", "equivocation" },
  kinds    = { "propose", "vote" },
  args     = {
    share         = { 1/2, "share of the backups that see the second proposal, 0 to 1", min = 0, max = 1 },
    omit_requests = { false, "the second proposal leaves the clients' requests out, so that a view change must follow" },
  },
  traitors = function(c) return { c:leader(c.view) } end,
  expect   = { safety = true, evidence = true },
  verdict  = "caught  equivocation  replica 0 signed two proposals for view 0, sequence 1913",

  on_message = function(c, m, a)
    -- What it says itself: that peers pass on what it told the others is not in its power.
    if not m:has("signer") or not c:is_traitor(m.signer) or m.from ~= m.signer then return end
    local e = c.state[m.slot]
    if m.kind == "propose" and not e then
      local second, why = m:perturb{ omit_requests = a.omit_requests }
      if not second then return c:note(why) end
      e = { second = second:sign(m.signer), side = c:split(c:backups(m.view), a.share, m.slot) }
      c.state[m.slot] = e
    end
    if not (e and e.side[m.to]) then return end
    if m.kind == "propose" then return replace(e.second, "the second proposal") end
    return replace(m:vote_for(e.second):sign(m.signer), "the vote that goes with it")
  end,
}
