return attack "forge-prepared" {
  summary  = "The next leader is a traitor: its own view change claims what was never prepared, or holds a broken certificate in front, and its new view follows from that.",
  source   = "concord-bft issue 50; Castro & Liskov, OSDI'99, section 4.4 (each entry of P is proved)",
  tags     = { "safety", "view-change", "pbft" },
  kinds    = { "propose", "view_change", "new_view" },
  args     = {
    mask  = { false, "one certificate is broken and nothing else is claimed; if not, all claims are made up" },
    pause = { 3.0, "the present leader is stopped until the new view comes, at most so many seconds", min = 0 },
  },
  traitors = function(c) return { c:leader(c.view + 1) } end,
  expect   = { safety = true, evidence = true },
  verdict  = "holds  justification  the new view was rejected; the view after it went on",

  on_message = function(c, m, a)
    local s = c.state
    if m.kind == "propose" then
      -- The leader stops as soon as all have a proposal that no checkpoint will cover: there is something to prove then.
      local leader = c:leader(m.view)
      if s.resume or m.view ~= c.view or m.from ~= leader or m.sequence % 4 ~= 1 then return end
      s.shown = (s.shown or 0) + 1
      if s.shown == c.n - 1 then s.resume = pause_for(c, leader, a.pause) end
      return
    end
    if not c:is_traitor(m.signer) then return end
    if m.kind == "view_change" then
      s.own = m:copy()
      return
    end
    if s.resume then s.resume(c) end
    if s[m.view] == nil then
      s[m.view] = false
      local own = s.own and s.own.view == m.view and s.own
      -- What it claims: the proposals in its certificates, in their order.
      local claims, claimed = {}, {}
      for _, statement in ipairs(own and own.statements or {}) do
        if statement.kind == "propose" then table.insert(claims, statement) end
      end
      if #claims == 0 then return c:note("nothing was prepared: there is nothing to forge") end
      local prepared, forged = own.fields.prepared, m:copy()
      for i = #claims, 1, -1 do
        claimed[claims[i].sequence] = true
        if a.mask then
          if i > 1 then prepared:remove(i) else prepared[i].prepares = {} end
        else
          local nothing = c:build("pre-prepare", { view = claims[i].view, sequence = claims[i].sequence, value = NIL })
          nothing.envelope.sender = c:leader(claims[i].view)
          prepared[i].pre_prepare = nothing
        end
      end
      local changes, at = forged.fields.view_changes, 0
      for _, statement in ipairs(m.statements) do
        if statement.kind == "view_change" then
          at = at + 1
          if statement.signer == m.signer then changes[at] = own:sign(m.signer) end
        end
      end
      if a.mask then
        forged.fields.pre_prepares = {}
      else
        at = 0
        for _, statement in ipairs(m.statements) do
          if statement.kind == "propose" and statement.view == m.view then
            at = at + 1
            if claimed[statement.sequence] then
              local nothing = c:build("pre-prepare", { view = m.view, sequence = statement.sequence, value = NIL })
              forged.fields.pre_prepares[at] = nothing:sign(m.signer)
            end
          end
        end
      end
      s[m.view] = forged:sign(m.signer)
      c:note(("new view %d rests on %d forged certificates"):format(m.view, #claims))
    end
    if s[m.view] then return replace(s[m.view], "a new view that rests on forged certificates") end
  end,
}
