return attack "silence" {
  summary  = "The traitor, when it leads, says nothing of what it knows: no proposal, and never the certificate that the others' votes made for it.",
  source   = "Niu et al., On the performance of pipelined HotStuff, INFOCOM'21 (silence attack); Gai et al., ICDCS'21",
  tags     = { "liveness", "performance", "hotstuff" },
  kinds    = { "propose", "view_change", "new_view", "sync" },
  args     = {
    phase = { "", "it speaks until this phase (\"precommit\", \"commit\", \"decide\"), so that it holds the certificate before; \"\": not at all" },
  },
  traitors = function(c) return { c:backups(c.view)[1] } end,
  expect   = { safety = true, liveness = true },
  verdict  = "holds  bounded recovery  every fourth view is lost, and the votes that its leader collected with it",

  on_start = function(c, a)
    local s = c.state
    local order = { prepare = 1, precommit = 2, commit = 3, decide = 4 }
    s.rank = function(phase) return order[phase] or 0 end
    s.from = s.rank(a.phase)
    s.hidden = 0
  end,

  on_message = function(c, m, a)
    local s = c.state
    local ok, justify = pcall(function() return m.fields.justify end)
    if not c:is_traitor(m.from) then
      -- The highest certificate that the others have, from their own words.
      if ok and justify and (not s.known or justify.view > s.known.view) and m.kind ~= "sync" then
        if m.kind == "view_change" or s.rank(m.phase) <= 1 then s.known = { view = justify.view, message = m:copy() } end
      end
      return
    end
    if m.kind == "propose" and s.rank(m.phase) >= s.from and m.signer == c:leader(m.view) then
      return drop("it leads, and says nothing")
    end
    if m.kind == "view_change" and ok and justify and s.known and justify.view > s.known.view then
      local less = m:copy()
      less.fields.justify = s.known.message.fields.justify
      s.hidden = s.hidden + 1
      return replace(less:sign(m.from), "an older certificate than it has")
    end
  end,

  on_end = function(c)
    c:note(("a certificate was kept back %d times"):format(c.state.hidden))
  end,
}
