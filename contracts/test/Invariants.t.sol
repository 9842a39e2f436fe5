// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChallengeManager} from "../src/ChallengeManager.sol";
import {DisputeGame} from "../src/DisputeGame.sol";
import {StakeRegistry} from "../src/StakeRegistry.sol";
import {
    CommitmentBody,
    Messages,
    Outcome,
    Request,
    SlotRun,
    TestimonyBody
} from "../src/libraries/Messages.sol";
import {Fixture} from "./support/Fixture.sol";
import {Test} from "./support/Test.sol";

/// @notice Everybody at once, in any order: members (every odd one corrupt), an honest and a corrupt prover, payers,
/// reporters, liars and the clock. It keeps its own books from balances and credits before and after each call.
contract World is Fixture {
    struct Entry {
        Request request;
        ChallengeManager.DrawTerms terms;
        address[] committee;
        address refundTo;
        uint256 paidIn;
        uint256 paidOut;
        bool settled;
    }

    bytes32[] public ids;
    mapping(bytes32 => Entry) private _entries;
    Actor[2] public provers; // 0 honest, 1 corrupt
    mapping(address hot => uint256) public staked;
    mapping(address hot => uint256) public unstaked;
    string public violation;
    uint256 private _in;

    function setUp() public override {
        super.setUp();
        provers[0] = prover;
        provers[1] = actor(0xBAD);
        provers[1].node = enroll(provers[1], host(201, 1), 0, 0, 0);
        manager.deposit{value: 5 ether}(provers[1].hot);
        for (uint256 i = 0; i < 12; ++i) {
            join(i);
        }
        vm.warp(START + 1 hours);
    }

    /// Short windows, so that a run sees money leave.
    function config() internal pure override returns (ChallengeManager.Config memory settings) {
        settings = super.config();
        settings.disputeWindow = 4 hours;
    }

    function terms() internal pure override returns (StakeRegistry.Terms memory made) {
        made = super.terms();
        made.unbonding = 8 hours;
    }

    function contracts() external view returns (StakeRegistry, ChallengeManager, DisputeGame) {
        return (registry, manager, disputes);
    }

    function entry(bytes32 id) external view returns (Entry memory) {
        return _entries[id];
    }

    function count() external view returns (uint256 challenges, uint256 nodes) {
        return (ids.length, members.length);
    }

    function member(uint256 i) external view returns (Actor memory) {
        return members[i];
    }

    /// What a call moves out of one challenge: to its refund address, to its prover's deposit, to the burn.
    modifier onBooks(bytes32 id) {
        uint256 before = _moved(id);
        _;
        _entries[id].paidOut += _moved(id) - before;
    }

    function _moved(bytes32 id) private view returns (uint256) {
        Entry storage it = _entries[id];
        return manager.credits(it.refundTo) + manager.accountOf(it.request.prover).free + manager.burnable();
    }

    function pick(uint256 seed) private view returns (bytes32) {
        uint256 length = ids.length;
        if (length == 0) return 0;
        // The latest are in their course, the others wait for their payouts.
        uint256 back = seed % (length < 3 ? length : 3);
        return (seed >> 4) % 2 == 0 ? ids[(seed >> 8) % length] : ids[length - 1 - back];
    }

    // ----------------------------------------------------------------------------------------------- registry

    function join(uint256 seed) public {
        if (members.length >= 40) return;
        uint256 i = members.length;
        Actor memory made = actor(0x1000 + i);
        uint8 seats = uint8(1 + seed % 3);
        made.node = enroll(made, host(1000 + i, 7), 1_000_000, seats, 0);
        staked[made.hot] += seats * SEAT;
        members.push(made);
    }

    function leave(uint256 seed) external {
        if (seed % 4 != 0) return; // keep a pool
        Actor storage who = members[(seed >> 8) % members.length];
        vm.prank(who.cold);
        registry.deregister(who.node);
    }

    function change(uint256 seed, uint8 seats) external {
        Actor storage who = members[seed % members.length];
        StakeRegistry.Node memory node = registry.nodeAt(who.node);
        seats = 1 + seats % 4;
        uint256 need = seats > node.seats ? (seats - node.seats) * uint256(SEAT) : 0;
        vm.prank(who.cold);
        registry.update{value: need}(who.node, endpoint(host(2000 + seed % 500, 1), 1_000_000), seats);
        staked[who.hot] += need;
    }

    function takeStake(uint256 seed) external {
        // The first of them, from anywhere, that has something to take.
        uint256 i = seed % members.length;
        for (uint256 n = 0; n < members.length && registry.nodeAt(members[i].node).unbonding == 0; ++n) {
            i = (i + 1) % members.length;
        }
        Actor storage who = members[i];
        uint256 before = who.cold.balance;
        registry.withdraw(who.node);
        unstaked[who.hot] += who.cold.balance - before;
    }

    function compact(uint256 seed) external {
        uint256[] memory holes = new uint256[](8);
        for (uint256 i = 0; i < 8; ++i) {
            holes[i] = (seed >> (8 * i)) % (registry.seatCount() + 1);
        }
        registry.compact(holes);
    }

    // ---------------------------------------------------------------------------------------------- challenges

    function open(uint256 seed) external {
        uint256 which = seed % 2;
        prover = provers[which];
        Request memory request = seed % 3 == 0 ? strictRequest() : standardRequest(uint16(3 + seed % 5), 1);
        address refundTo = address(uint160(0x4ef00000 + ids.length));
        (uint64 at, bytes memory signature) = acceptance(request, prover.key);
        ChallengeManager.DrawTerms memory made = drawTerms(request);
        uint256 free = manager.accountOf(prover.hot).free;
        uint256 fee = request.committeeSize * (SLOT_FEE + seed % 1000);
        vm.prank(payer.hot);
        bytes32 id = manager.open{value: fee}(request, snapshot(), at, signature, refundTo);
        ids.push(id);
        Entry storage it = _entries[id];
        (it.request, it.terms, it.refundTo) = (request, made, refundTo);
        it.paidIn = fee + free - manager.accountOf(prover.hot).free;
    }

    function fix(uint256 seed) external onBooks(pick(seed)) {
        Entry storage it = _entries[pick(seed)];
        if (beacons.randomness(CHAIN, it.request.beaconRound) == 0) {
            beacons.set(CHAIN, it.request.beaconRound, keccak256(abi.encode(seed)));
        }
        address[] memory committee = manager.fixCommittee(it.request, it.terms);
        if (manager.challengeOf(pick(seed)).status == ChallengeManager.Status.Fixed) {
            it.committee = committee;
        }
    }

    /// Any subset signs any bits; settling a second time is a violation.
    function settle(uint256 seed, uint64 owed, uint64 signers) external onBooks(pick(seed)) {
        bytes32 id = pick(seed);
        Entry storage it = _entries[id];
        uint256 mask = (1 << it.committee.length) - 1;
        uint256 who = seed % 3 == 0 ? signers & mask : mask;
        Outcome memory said = seed % 5 == 0 ? Outcome(0, 0, 0, owed & mask) : outcome(owed & mask);
        bytes memory proof = proofOf(id, it.committee, said, who);
        manager.settle(id, said, proof);
        if (it.settled) violation = "settled twice";
        it.settled = true;
    }

    function expire(uint256 seed) external onBooks(pick(seed)) {
        manager.expire(pick(seed));
    }

    function close(uint256 seed) external onBooks(pick(seed)) {
        manager.close(pick(seed));
    }

    function claim(uint256 seed) external {
        bytes32 id = pick(seed);
        Entry storage it = _entries[id];
        if (it.committee.length == 0) return;
        uint256 index = (seed >> 16) % it.committee.length;
        it.paidOut += manager.claim(it.committee[index], claimOf(id, index, it.committee));
    }

    function takeCredit(uint256 seed) external {
        manager.withdraw(_entries[pick(seed)].refundTo);
    }

    function takeDeposit(uint256 seed) external {
        Actor memory who = provers[seed % 2];
        uint256 free = manager.accountOf(who.hot).free;
        vm.prank(who.cold);
        manager.withdrawDeposit(who.hot, uint128(seed % (free / 4 + 1)));
    }

    function addDeposit(uint256 seed) external {
        manager.deposit{value: seed % 1 ether}(provers[seed % 2].hot);
    }

    function burn() external {
        manager.burn();
        registry.burn();
    }

    function tick(uint256 seed) external {
        uint256 kind = seed % 32;
        uint256 step = kind < 20 ? 10 minutes : kind < 26 ? 3 hours : kind < 31 ? 2 days : 20 days;
        vm.warp(block.timestamp + 1 + (seed >> 8) % step);
        vm.roll(block.number + 1);
    }

    // ------------------------------------------------------------------------------------------------ disputes

    /// A corrupt member contradicts itself.
    function equivocate(uint256 seed) external onBooks(pick(seed)) {
        bytes32 id = pick(seed);
        Entry storage it = _entries[id];
        for (uint256 i = 0; i < it.committee.length; ++i) {
            address who = it.committee[(i + seed) % it.committee.length];
            if (keyOf[who] % 2 == 0) continue;
            _twoResults(id, it.committee, who, seed);
            return;
        }
    }

    function _twoResults(bytes32 id, address[] memory committee, address who, uint256 seed) private {
        DisputeGame.Case memory report = caseOf(id, who, committee);
        report.salt = bytes32(seed);
        announce(address(0x9e90), report);
        bytes memory a = sign(keyOf[who], resultDigest(id, outcome(1)));
        bytes memory b = sign(keyOf[who], resultDigest(id, outcome(2)));
        vm.prank(address(0x9e90));
        disputes.proveResults(report, outcome(1), a, outcome(2), b);
    }

    /// The corrupt prover acknowledges twice.
    function acknowledgeTwice(uint256 seed) external onBooks(pick(seed)) {
        bytes32 id = pick(seed);
        Entry storage it = _entries[id];
        address who = provers[1].hot;
        DisputeGame.Case memory report = caseOf(id, who, new address[](0));
        report.salt = bytes32(seed);
        announce(address(0x9e90), report);
        bytes memory a = ackSignature(provers[1].key, id, "a");
        bytes memory b = ackSignature(provers[1].key, id, "b");
        uint256 before = disputes.credits(address(0x9e90));
        vm.prank(address(0x9e90));
        disputes.proveAckLists(report, 1, 0, "a", a, "b", b);
        // Bond and reward; provers have no stake of their own.
        it.paidOut += disputes.credits(address(0x9e90)) - before - REPORT_BOND;
    }

    /// Everything one can put together from what an honest party signs once.
    function frame(uint256 seed) external {
        bytes32 id = pick(seed);
        bytes32 other = pick(seed >> 8);
        Entry storage it = _entries[id];
        for (uint256 i = 0; i < it.committee.length; ++i) {
            address who = it.committee[(i + seed) % it.committee.length];
            if (keyOf[who] % 2 == 1) continue;
            DisputeGame.Case memory report = caseOf(id, who, it.committee);
            report.salt = bytes32(seed);
            announce(address(this), report);
            if (_frames(report, other, seed)) violation = "an honest member was found guilty";
            return;
        }
    }

    function _frames(DisputeGame.Case memory report, bytes32 other, uint256 seed) private returns (bool) {
        uint256 key = keyOf[report.accused];
        bytes32 id = report.challengeId;
        bytes memory own = sign(key, resultDigest(id, outcome(1)));
        if (seed % 4 == 0) {
            bytes memory elsewhere = sign(key, resultDigest(other, outcome(2)));
            if (id == other) return false;
            try disputes.proveResults(report, outcome(1), own, outcome(2), elsewhere) {
                return true;
            } catch {
                return false;
            }
        }
        if (seed % 4 == 1) {
            bytes memory forged = sign(0x1001, resultDigest(id, outcome(2)));
            try disputes.proveResults(report, outcome(1), own, outcome(2), forged) {
                return true;
            } catch {
                return false;
            }
        }
        bytes32 seedValue = bytes32(seed);
        CommitmentBody memory pledge =
            CommitmentBody(Messages.seedHash(seedValue, SlotRun(id, 1, 0), report.accused), 1, 1);
        bytes32 hash = keccak256(abi.encode(Messages.COMMITMENT_TYPEHASH, SlotRun(id, 1, 0), pledge));
        bytes memory signature = sign(key, manager.digestOf(hash));
        TestimonyBody memory said = testimony(seedValue, 1);
        bytes memory testified = testimonySignature(key, id, said);
        if (seed % 4 == 2) {
            try disputes.proveSeed(report, 1, 0, pledge, signature, said, testified) {
                return true;
            } catch {
                return false;
            }
        }
        TestimonyBody memory bent = testimony(seedValue, 2);
        try disputes.proveTestimonies(report, 1, 0, said, testified, bent, testified) {
            return true;
        } catch {
            return false;
        }
    }
}

contract InvariantsTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    World private world;
    StakeRegistry private registry;
    ChallengeManager private manager;
    DisputeGame private disputes;

    function setUp() public {
        world = new World();
        vm.deal(address(world), 1_000_000 ether);
        world.setUp();
        (registry, manager, disputes) = world.contracts();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(world);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(world);
        bytes4[26] memory all = [
            World.join.selector,
            World.leave.selector,
            World.change.selector,
            World.takeStake.selector,
            World.compact.selector,
            World.open.selector,
            World.open.selector,
            World.open.selector,
            World.fix.selector,
            World.fix.selector,
            World.fix.selector,
            World.settle.selector,
            World.settle.selector,
            World.settle.selector,
            World.expire.selector,
            World.close.selector,
            World.claim.selector,
            World.claim.selector,
            World.takeCredit.selector,
            World.takeDeposit.selector,
            World.addDeposit.selector,
            World.burn.selector,
            World.tick.selector,
            World.equivocate.selector,
            World.acknowledgeTwice.selector,
            World.frame.selector
        ];
        targets[0].selectors = new bytes4[](all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            targets[0].selectors[i] = all[i];
        }
    }

    /// Per challenge no more leaves than entered, the sum is the balance, nothing settles twice, and no honest party
    /// loses stake or is found guilty.
    function invariant_moneyAndJustice() public view {
        _checkBooks();
        _checkStakes();
        check(bytes(world.violation()).length == 0, world.violation());
    }

    function _checkBooks() private view {
        (uint256 challenges,) = world.count();
        uint256 held = manager.burnable();
        for (uint256 i = 0; i < challenges; ++i) {
            World.Entry memory it = world.entry(world.ids(i));
            atMost(it.paidOut, it.paidIn, "out of one challenge");
            held += it.paidIn - it.paidOut + manager.credits(it.refundTo);
        }
        for (uint256 i = 0; i < 2; ++i) {
            (, address hot,,) = world.provers(i);
            held += manager.accountOf(hot).free;
        }
        same(address(manager).balance, held, "the manager's balance");
    }

    function _checkStakes() private view {
        (, uint256 nodes) = world.count();
        uint256 held = registry.burnable();
        for (uint256 i = 0; i < nodes; ++i) {
            World.Actor memory who = world.member(i);
            uint256 stake = registry.stakeOf(who.node);
            held += stake;
            if (who.key % 2 == 0) {
                same(stake + world.unstaked(who.hot), world.staked(who.hot), "an honest member's stake");
            }
        }
        same(address(registry).balance, held, "the registry's balance");
    }

    /// From wherever a run ended, everybody gets out, and what is left in the contracts is what burns.
    function afterInvariant() public {
        (uint256 challenges, uint256 nodes) = world.count();
        vm.warp(block.timestamp + 30 days);
        for (uint256 i = 0; i < challenges; ++i) {
            _wind(world.ids(i));
        }
        vm.warp(block.timestamp + 30 days);
        for (uint256 i = 0; i < challenges; ++i) {
            _payOut(world.ids(i));
        }
        for (uint256 i = 0; i < 2; ++i) {
            (, address hot, address cold,) = world.provers(i);
            uint128 free = manager.accountOf(hot).free;
            vm.prank(cold);
            manager.withdrawDeposit(hot, free);
        }
        same(address(manager).balance, manager.burnable(), "all left the manager");
        for (uint256 i = 0; i < nodes; ++i) {
            _leave(world.member(i));
        }
        vm.warp(block.timestamp + 15 days);
        for (uint256 i = 0; i < nodes; ++i) {
            if (registry.stakeOf(world.member(i).node) > 0) registry.withdraw(world.member(i).node);
        }
        same(address(registry).balance, registry.burnable(), "all left the registry");
    }

    function _wind(bytes32 id) private {
        ChallengeManager.Status status = manager.challengeOf(id).status;
        if (status == ChallengeManager.Status.Open || status == ChallengeManager.Status.Fixed) {
            manager.expire(id);
        }
    }

    function _payOut(bytes32 id) private {
        World.Entry memory it = world.entry(id);
        ChallengeManager.Challenge memory challenge = manager.challengeOf(id);
        for (uint256 i = 0; i < it.committee.length; ++i) {
            ChallengeManager.Claim[] memory items = new ChallengeManager.Claim[](1);
            items[0] = ChallengeManager.Claim(id, i, it.committee);
            bool due = (challenge.owed & ~challenge.faults & ~challenge.claimed) >> i & 1 == 1;
            try manager.claim(it.committee[i], items) {
                check(due, "paid what was not due");
            } catch {
                check(!due, "did not pay what was due");
            }
        }
        if (challenge.status != ChallengeManager.Status.Void && !challenge.closed) manager.close(id);
        if (manager.credits(it.refundTo) > 0) manager.withdraw(it.refundTo);
    }

    function _leave(World.Actor memory who) private {
        if (registry.nodeAt(who.node).record == 0) return;
        vm.prank(who.cold);
        registry.deregister(who.node);
    }
}
