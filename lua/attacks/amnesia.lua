return attack "amnesia" {
  summary  = "A replica is killed just after it voted, or gave its view up, and restarted; then the traitor shows it another proposal for that very view.",
  source   = "narwhal issue 488; aptos issue 18298; babylon-node issue 243 (what a restart forgot)",
  tags     = { "safety", "durability", "crash" },
  kinds    = { "propose", "vote", "view_change" },
  args     = {
    after = { "vote", "what it is killed after: its \"vote\", or its \"timeout\" in the traitor's view" },
    down  = { 0.02, "seconds that it is down", min = 0 },
    wait  = { 0.08, "seconds between its restart and the second proposal", min = 0 },
    times = { 3, "how often", min = 1 },
  },
  traitors = function(c) return { c:leader(c.view) } end,
  expect   = { safety = true, liveness = true, evidence = true },
  verdict  = "holds  equivocation  the second proposal had no second vote",

  on_start = function(c, a)
    local s = c.state
    s.left = a.times
    -- Not the one that collects the traitor's votes.
    s.traitor = c.traitors[1]
    s.victim = (s.traitor + 2) % c.n
  end,

  on_message = function(c, m, a)
    local s = c.state
    if s.deaf and m.to == s.victim then return delay(a.wait + 0.02, "later than the traitor's word") end
    if m.kind == "propose" then
      if m.signer ~= s.traitor or m.signer ~= c:leader(m.view) or (m.phase ~= "" and m.phase ~= "prepare") then return end
      if s.view == nil and s.left > 0 and m.occurrence == 0 then
        local second, why = m:perturb()
        if not second then return c:note(why) end
        s.view, s.slot, s.value, s.killed, s.told = m.view, m.slot, m.value, false, 0
        s.second, s.left = second:sign(s.traitor), s.left - 1
        s.first = m:copy()
        c:after(3, function(c) s.view = nil end)
      end
      -- Nobody else learns of it, and nothing more comes of that view.
      if m.view ~= s.view then return end
      if m.to == s.victim and m.slot == s.slot and a.after == "vote" and not s.killed then return end
      return drop("only the victim is to know")
    end
    if s.view == nil or s.killed or m.from ~= s.victim then return end
    local voted = a.after == "vote" and m.kind == "vote" and m.view == s.view and m.value == s.value
    local left = a.after == "timeout" and m.kind == "view_change" and m.view > s.view
    if not voted and not left then return end
    -- Its word that it gives the view up is on its way to everybody first.
    s.told = s.told + 1
    if left and s.told < c.n - 1 then return end
    s.killed = true
    local victim, second = s.victim, voted and s.second or s.first
    local function strike(c, a)
      c:kill(victim)
      c:after(a.down, function(c, a)
        c:restart(victim)
        -- First of all it is to hear the traitor, not those who would tell it how far they are.
        s.deaf = true
        c:after(a.wait, function(c)
          c:send(second, { from = s.traitor, to = victim })
          s.deaf = false
        end)
      end)
    end
    strike(c, a)
  end,
}
