return attack "split-vote" {
  summary  = "A validator votes for the block towards half of its peers and for nothing towards the rest, height after height, until one of them accuses it.",
  source   = "CometBFT consensus/byzantine_test.go (TestByzantinePrevoteEquivocation)",
  tags     = { "safety", "equivocation", "accountability" },
  kinds    = { "vote", "other" },
  args     = {
    phase   = { "prevote", "which vote is split: prevote or precommit" },
    traitor = { 0, "the validator that votes so", min = 0 },
    since   = { 2, "the first height at which it does", min = 0 },
    times   = { 20, "at how many heights, if nobody accuses it", min = 1 },
    share   = { 1/2, "share of the peers that are shown the vote for nothing, 0 to 1", min = 0, max = 1 },
  },
  traitors = function(c, a) return { a.traitor } end,
  expect   = { safety = true, evidence = true },
  verdict  = "caught  equivocation  replica 0 signed two prevotes for height 2, round 0",

  on_start = function(c)
    c.state.shown, c.state.count = {}, 0
  end,

  -- Each peer is shown one vote: who tells on the traitor got the other by way of another peer.
  on_message = function(c, m, a)
    local s = c.state
    if m.type == "evidence" and m.from ~= a.traitor then s.accused = true end
    if m.kind ~= "vote" or m.from ~= a.traitor or m.phase ~= a.phase then return end
    if not m:has("signer") or m.signer ~= a.traitor or m.value == NIL or m.sequence < a.since then return end
    local shown = s.shown[m.slot]
    if not shown and not s.accused and s.count < a.times then
      local peers = {}
      for _, id in ipairs(c.replicas) do
        if id ~= a.traitor then peers[#peers + 1] = id end
      end
      shown = c:split(peers, a.share, m.slot)
      s.shown[m.slot], s.count = shown, s.count + 1
      c:note(("two %ss at height %d, round %d, one to each half"):format(m.phase, m.sequence, m.view))
    end
    if not shown or not shown[m.to] then return end
    local lie = m:copy()
    lie.fields.block_id.hash = ""
    lie.fields.block_id.part_set_header.total = 0
    lie.fields.block_id.part_set_header.hash = ""
    return replace(lie:sign(m.signer), "nothing, to this half")
  end,
}
