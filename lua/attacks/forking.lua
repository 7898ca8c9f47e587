return attack "forking" {
  summary  = "The traitor, when it leads, passes over the newest certificate and extends an older one: what came between is lost if anybody follows.",
  source   = "Niu et al., On the performance of pipelined HotStuff, INFOCOM'21 (forking attack); Gai et al., ICDCS'21",
  tags     = { "safety", "performance", "hotstuff" },
  kinds    = { "propose", "vote" },
  args     = {
    depth   = { 1, "how many certificates it goes back", min = 1, max = 6 },
    genesis = { false, "goes back to the very beginning, where no certificate is needed" },
    excuse  = { 1.5, "the proposals of the leader before it are delayed by so many seconds, so that a timeout excuses the old certificate; 0: no excuse", min = 0, max = 60 },
  },
  traitors = function(c) return { c:backups(c.view)[1] } end,
  expect   = { safety = true, liveness = true },
  verdict  = "holds  agreement  an older certificate was extended in 6 views; in 6 of them a quorum followed: blocks that nobody had committed were lost",

  -- What justifies proposals, newest last. Only blocks have a parent: announcements of the basic protocol have none.
  on_start = function(c)
    c.state.seen, c.state.forks, c.state.followed = {}, 0, 0
  end,

  on_message = function(c, m, a)
    local s = c.state
    if m.kind == "vote" then
      local forged = s[m.view]
      if not forged or m.phase ~= forged.phase then return end
      if c:is_traitor(m.signer) then return replace(m:vote_for(forged.proposal):sign(m.signer), "its vote for its fork") end
      if m.value == forged.proposal.value and not forged.voters[m.signer] then
        forged.voters[m.signer] = true
        forged.count = forged.count + 1
        if forged.count == c.quorum - 1 then s.followed = s.followed + 1 end -- with the traitor's own
      end
      return
    end
    if not m:has("view") or m.signer ~= c:leader(m.view) then return end
    local ok, parent = pcall(function() return m.fields.parent end)
    if not ok or not parent then
      if c.protocol == "pbft" and not s.told then
        s.told = true
        c:note("proposals of " .. c.protocol .. " extend nothing: there is nothing to fork")
      end
      return
    end

    if not c:is_traitor(m.signer) then
      local view = m.fields.justify.view
      local newest = s.seen[#s.seen]
      if not newest or view > newest.view then
        table.insert(s.seen, { view = view, message = m:copy() })
        if #s.seen > 8 then table.remove(s.seen, 1) end
      end
      if a.excuse > 0 and c:is_traitor(c:leader(m.view + 1)) then return delay(a.excuse, "so that its view times out") end
      return
    end

    if s[m.view] == nil then
      local older, left = nil, a.depth
      for i = #s.seen, 1, -1 do
        if s.seen[i].view < m.fields.justify.view then
          left = left - 1
          if left == 0 then older = s.seen[i].message end
        end
      end
      s[m.view] = false
      if older or a.genesis then
        local forged = m:copy()
        if a.genesis then
          local none = forged.fields.justify
          none.view, none.signers, none.signatures = 0, {}, {}
          forged.fields.parent, forged.fields.sequence = ("\0"):rep(32), 1
        else
          local justify = older.fields.justify
          forged.fields.justify = justify
          forged.fields.parent = justify.digest
          forged.fields.sequence = justify.sequence + 1
        end
        local second, why = forged:perturb() -- another batch, and the digest that goes with the new parent
        if second then
          s.forks = s.forks + 1
          s[m.view] = { proposal = second:sign(m.signer), phase = m.phase, voters = {}, count = 0 }
        else
          c:note(why)
        end
      end
    end
    if s[m.view] then return replace(s[m.view].proposal, "a fork from an older certificate") end
  end,

  on_end = function(c)
    c:note(("an older certificate was extended in %d views; in %d of them a quorum followed"):format(c.state.forks, c.state.followed))
  end,
}
