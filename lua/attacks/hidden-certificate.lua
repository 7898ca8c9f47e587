return attack "hidden-certificate" {
  summary  = "The traitor, when it leads, shows the newest certificate to one replica and to nobody else, which is then locked alone; or hides it from the next leader only.",
  source   = "Decouchant et al., Liveness checking of the HotStuff protocol family, PRDC'23; malachite issue 956",
  tags     = { "liveness", "safety", "hotstuff" },
  kinds    = { "propose", "view_change" },
  args     = {
    phase  = { "commit", "the certificate of which phase is shown to one only, where phases have messages of their own: \"precommit\", \"commit\" or \"decide\"" },
    victim = { -1, "who is shown it; -1: another replica each time, chosen by the seed", min = -1, max = 127 },
    from_next = { false, "it is hidden from the leader of the next view only, who is to hear of it in new-view messages" },
  },
  traitors = function(c) return { c:backups(c.view)[1] } end,
  expect   = { safety = true, liveness = true },
  verdict  = "holds  bounded recovery  one replica was locked alone 14 times; the next correct leader heard of it and went on",

  on_start = function(c)
    c.state.shown = 0
  end,

  on_message = function(c, m, a)
    local s = c.state
    local ok, justify = pcall(function() return m.fields.justify end)
    if not ok or not justify then return end
    if m.kind == "view_change" then
      -- The traitor itself forgets what it showed.
      if not c:is_traitor(m.from) then
        if m.from ~= s.last and (not s.known or justify.view > s.known.view) then
          s.known = { view = justify.view, message = m:copy() }
        end
      elseif s.known and justify.view > s.known.view then
        local less = m:copy()
        less.fields.justify = s.known.message.fields.justify
        return replace(less:sign(m.from), "an older certificate than it has")
      end
      return
    end
    if m.signer ~= c:leader(m.view) then return end
    if not c:is_traitor(m.signer) then
      if (m.phase == "" or m.phase == "prepare") and (not s.known or justify.view > s.known.view) then
        s.known = { view = justify.view, message = m:copy() }
      end
      return
    end
    if m.phase ~= "" and m.phase ~= a.phase then
      -- What comes after the hidden one would tell it to all.
      if s[m.view] then return drop("it would tell what is hidden") end
      return
    end
    if a.from_next then
      s[m.view] = s[m.view] or { next = c:leader(m.view + 1) }
      if m.to == s[m.view].next then return drop("hidden from the next leader") end
      return
    end
    if not s[m.view] then
      local others = c:backups(m.view)
      s.last = a.victim >= 0 and a.victim or others[c:random(m.view, #others)]
      s.shown = s.shown + 1
      s[m.view] = { victim = s.last }
    end
    if m.to ~= s[m.view].victim then return drop("hidden from all but one") end
  end,

  on_end = function(c, a)
    if not a.from_next then c:note(("a certificate was shown to one replica alone in %d views"):format(c.state.shown)) end
  end,
}
