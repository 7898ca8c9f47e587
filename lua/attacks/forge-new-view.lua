return attack "forge-new-view" {
  summary  = "The next leader is a traitor: its new view orders nothing where the view changes prove that something was prepared.",
  source   = "Castro & Liskov, TOCS'02, section 4.4 (backups recompute O from V)",
  tags     = { "safety", "view-change", "pbft" },
  kinds    = { "new_view", "vote" },
  args     = {
    most  = { 16, "how many of the last re-proposals are forged", min = 0 },
    pause = { 3.0, "the present leader is stopped until the new view comes, at most so many seconds", min = 0 },
  },
  traitors = function(c) return { c:leader(c.view + 1) } end,
  expect   = { safety = true, evidence = true },
  verdict  = "holds  justification  the forged new view was rejected; the view after it went on",

  on_message = function(c, m, a)
    local s = c.state
    if m.kind == "vote" then
      -- Whoever commits has prepared: from now on the view changes have something to prove. Not just at a checkpoint,
      -- which would prove it in their place (intervals are multiples of 8).
      if not s.resume and m.phase == "commit" and m.view == c.view and m.sequence % 8 == 4 then
        s.resume = pause_for(c, c:leader(c.view), a.pause)
      end
      return
    end
    if s.resume then s.resume(c) end
    if not c:is_traitor(m.signer) then return end
    if s[m.view] == nil then
      -- The re-proposals are the proposals of the new view itself, in their order; those in certificates are of old views.
      local found = {}
      for _, statement in ipairs(m.statements) do
        if statement.kind == "propose" and statement.view == m.view then table.insert(found, statement) end
      end
      local forged, count = m:copy(), 0
      local list = forged.fields.pre_prepares
      for i = #found, 1, -1 do
        if count < a.most and found[i].value ~= NIL then
          local nothing = c:build("pre-prepare", { view = m.view, sequence = found[i].sequence, value = NIL })
          list[i] = nothing:sign(m.signer)
          count = count + 1
        end
      end
      s[m.view] = count > 0 and forged:sign(m.signer) or false
      c:note(("new view %d: %d of %d re-proposals replaced by nothing"):format(m.view, count, #found))
    end
    if s[m.view] then return replace(s[m.view], "a new view that forgets what was prepared") end
  end,
}
