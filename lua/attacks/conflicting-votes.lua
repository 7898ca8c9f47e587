return attack "conflicting-votes" {
  summary  = "A backup votes for what was proposed and, in the same breath, for something else: validly signed, to everybody.",
  source   = "Castro & Liskov, OSDI'99, section 4.2 (a quorum counts replicas, not votes)",
  tags     = { "safety", "equivocation" },
  kinds    = { "propose", "vote" },
  args     = {
    first = { false, "send the lie before the true vote" },
    share = { 1.0, "share of the votes that are doubled, 0 to 1", min = 0, max = 1 },
  },
  traitors = function(c) return { c:backups(c.view)[1] } end,
  expect   = { safety = true, evidence = true },
  verdict  = "caught  equivocation  replica 1 signed two prepares for view 0, sequence 77",

  on_message = function(c, m, a)
    if m.kind == "propose" then
      if not c.state[m.slot] then
        local second = m:perturb() -- never sent: it only says what else there was to vote for
        c.state[m.slot] = second or false
      end
      return
    end
    if not m:has("signer") or not c:is_traitor(m.signer) then return end
    local second = c.state[m.slot]
    if not second or c:random(m.slot) >= a.share then return end
    local lie = m:vote_for(second):sign(m.signer)
    if a.first then return replace(lie, m, "two votes") end
    return replace(m, lie, "two votes")
  end,
}
