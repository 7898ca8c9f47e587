return attack "few-votes" {
  summary  = "One replica is shown one vote too few for a quorum, and no more: it must not go on.",
  source   = "Castro & Liskov, OSDI'99, section 4.2 and 4.4 (certificates need a quorum); the classic off-by-one",
  tags     = { "safety", "quorum", "network" },
  kinds    = { "vote", "view_change", "propose" },
  args     = {
    what   = { "commit", "votes of which phase are withheld (\"prepare\", \"commit\", …; where votes have no phase, all), or \"view_change\"" },
    victim = { -1, "the replica that is shown too few; -1: the last backup; for view changes: the next leader" },
  },
  -- For view changes the leader must fall silent first: it is the traitor then.
  traitors = function(c, a)
    if a.what == "view_change" then return { c:leader(c.view) } end
    return {}
  end,
  expect   = { safety = true },
  verdict  = "violated  justification  replica 3 executed sequence 12 with 2 commits, 3 are needed",

  on_start = function(c, a)
    local s = c.state
    local backups = c:backups(c.view)
    s.old = c.view
    s.victim = a.victim >= 0 and a.victim or backups[#backups]
    if a.what == "view_change" and a.victim < 0 then s.victim = c:leader(c.view + 1) end
    -- A quorum less one, less its own vote; of prepares, less the proposal too, which counts as the leader's.
    s.allowed = c.quorum - 2 - (a.what == "prepare" and 1 or 0)
    c:note(("replica %d is shown %d votes of others (%s)"):format(s.victim, s.allowed, a.what))
  end,

  on_message = function(c, m, a)
    local s = c.state
    if not m:has("signer") then return end
    if a.what == "view_change" then
      if m.kind == "propose" and m.view == s.old and c:is_traitor(m.signer) then
        return drop("a silent leader, so that the view must change")
      end
      if m.kind ~= "view_change" or m.view ~= s.old + 1 then return end
    elseif m.kind ~= "vote" or (m.phase ~= "" and m.phase ~= a.what) then
      return
    end
    if m.to ~= s.victim or m.signer == s.victim then return end
    local key = m.kind == "vote" and m.slot or m.view
    local shown = s[key] or { count = 0 }
    s[key] = shown
    if shown[m.signer] then return end
    if shown.count < s.allowed then
      shown.count = shown.count + 1
      shown[m.signer] = true
      return
    end
    return drop("one too few must stay one too few")
  end,
}
