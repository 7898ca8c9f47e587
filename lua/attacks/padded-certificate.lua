return attack "padded-certificate" {
  summary  = "The traitor, when it leads, shows certificates in which one signature stands as often as a quorum needs.",
  source   = "monad issues 2086 and 1323 (signers were told apart in debug builds only)",
  tags     = { "safety", "quorum" },
  kinds    = { "propose", "view_change", "new_view" },
  args     = {
    pause = { 3.0, "PBFT: the present leader is stopped until the new view comes, at most so many seconds", min = 0 },
  },
  traitors = function(c) return { c:leader(c.view + 1) } end,
  expect   = { safety = true },
  verdict  = "holds  justification  whoever was shown one signature three times did not follow",

  on_message = function(c, m, a)
    local s = c.state
    if c.protocol == "pbft" and m.kind == "propose" then
      -- PBFT has certificates of view changes only. The leader stops as soon as all have a proposal that no checkpoint
      -- will cover: there is something to prove then.
      local leader = c:leader(m.view)
      if s.resume or m.view ~= c.view or m.from ~= leader or m.sequence % 4 ~= 1 then return end
      s.shown = (s.shown or 0) + 1
      if s.shown == c.n - 1 then s.resume = pause_for(c, leader, a.pause) end
      return
    end
    if not m:has("signer") or not c:is_traitor(m.signer) then return end
    if m.kind == "view_change" then
      s.own = m:copy()
      return
    end
    if m.kind == "propose" then
      local ok, justify = pcall(function() return m.fields.justify end)
      if not ok or not justify or #justify.signers == 0 then return end
      local padded = m:copy()
      local signers, signatures = {}, {}
      for i = 1, c.quorum do
        signers[i], signatures[i] = justify.signers[1], justify.signatures[1]
      end
      padded.fields.justify.signers, padded.fields.justify.signatures = signers, signatures
      return replace(padded:sign(m.signer), "one signature, a quorum of times")
    end
    if s.resume then s.resume(c) end
    if s[m.view] == nil then
      s[m.view] = false
      local own = s.own and s.own.view == m.view and s.own
      if not own then return end
      -- What follows from its own view change alone.
      local stable, top, values = own.fields.stable_sequence, 0, {}
      for _, statement in ipairs(own.statements) do
        if statement.kind == "propose" then
          values[statement.sequence] = statement.value
          top = math.max(top, statement.sequence)
        end
      end
      local padded, changes, orders = m:copy(), {}, {}
      for i = 1, c.quorum do changes[i] = own end
      for sequence = stable + 1, top do
        local order = c:build("pre-prepare", { view = m.view, sequence = sequence, value = values[sequence] or NIL })
        table.insert(orders, order:sign(m.signer))
      end
      padded.fields.view_changes, padded.fields.pre_prepares = changes, orders
      s[m.view] = padded:sign(m.signer)
    end
    if s[m.view] then return replace(s[m.view], "one view change, a quorum of times") end
  end,
}
