// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BeaconRegistry} from "../src/BeaconRegistry.sol";
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
import {PublishedDesign} from "./support/PublishedDesign.sol";

/// @notice Gas of whole transactions (21,000 and calldata included, storage cold): run with `--isolate`. The numbers
/// go to contracts/snapshots/, where a change of any shows; the limits are asserted here.
contract GasTest is Fixture {
    uint256 private constant SETTLE_LIMIT = 150_000;
    uint256 private constant DISPUTE_LIMIT = 300_000;
    address private constant REPORTER = address(0x9e90);

    Request private request;
    ChallengeManager.DrawTerms private drawn;
    bytes32 private id;
    address[] private committee;

    function setUp() public override {
        super.setUp();
        addMembers(30);
        vm.warp(START + 1 hours);
        // The manager's and the registry's first writes are behind a deployment that has been in use.
        (, address[] memory first) = fixedChallenge(strictRequest());
        committee = first;
        vm.warp(block.timestamp + 1 hours);
    }

    function ready() private {
        request = strictRequest();
        (id, drawn) = openIt(request);
        reveal(request, keccak256("gas"));
        committee = manager.fixCommittee(request, drawn);
    }

    function note(string memory group, string memory name) private returns (uint256) {
        return vm.snapshotGasLastCall(group, name);
    }

    // ------------------------------------------------------------------------------------------------ course

    function test_gas_open() public {
        request = strictRequest();
        (uint64 at, bytes memory signature) = acceptance(request, prover.key);
        vm.prank(payer.hot);
        manager.open{value: 10 * uint256(SLOT_FEE)}(request, snapshot(), at, signature, REFUND);
        note("course", "open (payer), n = 10, strict");
    }

    function test_gas_fixCommittee() public {
        request = strictRequest();
        (id, drawn) = openIt(request);
        reveal(request, keccak256("gas"));
        manager.fixCommittee(request, drawn);
        note("course", "fixCommittee (anyone), n = 10 of 30");
    }

    function test_gas_settle() public {
        ready();
        bytes memory proof = proofOf(id, committee, outcome(0x3ff), 0x0ff);
        manager.settle(id, outcome(0x3ff), proof);
        atMost(note("course", "settle (anyone), 8 of 10 signatures"), SETTLE_LIMIT, "settle");
    }

    function test_gas_claimAndClose() public {
        ready();
        settleIt(id, committee, outcome(0x1ff), 0x0ff);
        vm.warp(block.timestamp + DISPUTE_WINDOW + 1);
        manager.claim(committee[0], claimOf(id, 0, committee));
        note("course", "claim (member), one challenge");
        manager.close(id);
        note("course", "close (anyone)");
        manager.withdraw(REFUND);
        note("course", "withdraw refund (payer)");
    }

    function test_gas_claimOfTen() public {
        ChallengeManager.Claim[] memory items = new ChallengeManager.Claim[](10);
        address member;
        for (uint256 i = 0; i < 10; ++i) {
            // The same member in each: committees of all thirty.
            request = standardRequest(30, 2);
            (id, drawn) = openIt(request);
            reveal(request, keccak256(abi.encode(i)));
            address[] memory all = manager.fixCommittee(request, drawn);
            settleIt(id, all, outcome((1 << all.length) - 1), (1 << all.length) - 1);
            member = i == 0 ? all[0] : member;
            uint256 index = 0;
            while (all[index] != member) ++index;
            items[i] = ChallengeManager.Claim(id, index, all);
            vm.warp(block.timestamp + 20 minutes);
        }
        vm.warp(block.timestamp + DISPUTE_WINDOW + 1);
        manager.claim(member, items);
        note("course", "claim (member), ten challenges of n = 30");
    }

    function test_gas_expire() public {
        ready();
        vm.warp(uint256(manager.challengeOf(id).settleBy) + 1);
        manager.expire(id);
        note("course", "expire (anyone)");
    }

    function test_gas_deposit() public {
        manager.deposit{value: 1 ether}(prover.hot);
        note("course", "deposit (prover), later ones");
    }

    // ---------------------------------------------------------------------------------- the published design

    /// The same life, ten members, by the published contract's design: parties known, wallets in use before.
    function test_gas_publishedDesign() public {
        PublishedDesign published = new PublishedDesign();
        address payable[] memory members = new address payable[](10);
        for (uint256 i = 0; i < 10; ++i) {
            members[i] = payable(committee[i]);
            vm.deal(members[i], 1 ether);
        }
        vm.deal(payer.hot, 2 ether);
        vm.startPrank(payer.hot);
        published.start{value: 10 * uint256(SLOT_FEE)}(prover.hot, payer.hot, 100_000, 600);
        published.start{value: 10 * uint256(SLOT_FEE)}(prover.hot, payer.hot, 100_000, 600);
        note("published", "start (payer), parties known");
        published.end(members, 2);
        note("published", "end (coordinator), ten shares pushed");
        vm.stopPrank();
    }

    // ----------------------------------------------------------------------------------------------- disputes

    function test_gas_announce() public {
        vm.deal(REPORTER, 1 ether);
        vm.prank(REPORTER);
        disputes.announce{value: REPORT_BOND}("x");
        note("disputes", "announce");
    }

    function accuse(address accused) private returns (DisputeGame.Case memory report) {
        ready();
        settleIt(id, committee, outcome(0x3ff), 0x0ff);
        report = caseOf(id, accused == address(0) ? committee[9] : accused, committee);
        announce(REPORTER, report);
    }

    function test_gas_twoResults() public {
        DisputeGame.Case memory report = accuse(address(0));
        bytes memory a = sign(keyOf[report.accused], resultDigest(id, outcome(1)));
        bytes memory b = sign(keyOf[report.accused], resultDigest(id, outcome(2)));
        vm.prank(REPORTER);
        disputes.proveResults(report, outcome(1), a, outcome(2), b);
        atMost(note("disputes", "two results"), DISPUTE_LIMIT, "two results");
    }

    function test_gas_twoTestimonies() public {
        DisputeGame.Case memory report = accuse(address(0));
        (TestimonyBody memory a, TestimonyBody memory b) = (testimony("s", 1), testimony("s", 2));
        bytes memory first = testimonySignature(keyOf[report.accused], id, a);
        bytes memory second = testimonySignature(keyOf[report.accused], id, b);
        vm.prank(REPORTER);
        disputes.proveTestimonies(report, 1, 0, a, first, b, second);
        atMost(note("disputes", "two testimonies"), DISPUTE_LIMIT, "two testimonies");
    }

    function test_gas_seed() public {
        DisputeGame.Case memory report = accuse(address(0));
        CommitmentBody memory pledge = CommitmentBody("off", 1, 1);
        bytes32 hash = keccak256(abi.encode(Messages.COMMITMENT_TYPEHASH, SlotRun(id, 1, 0), pledge));
        bytes memory first = sign(keyOf[report.accused], manager.digestOf(hash));
        TestimonyBody memory said = testimony("s", 1);
        bytes memory second = testimonySignature(keyOf[report.accused], id, said);
        vm.prank(REPORTER);
        disputes.proveSeed(report, 1, 0, pledge, first, said, second);
        atMost(note("disputes", "seed off its commitment"), DISPUTE_LIMIT, "seed");
    }

    function test_gas_twoAckLists() public {
        DisputeGame.Case memory report = accuse(prover.hot);
        report.committee = new address[](0);
        bytes memory a = ackSignature(prover.key, id, "one");
        bytes memory b = ackSignature(prover.key, id, "two");
        vm.prank(REPORTER);
        disputes.proveAckLists(report, 1, 0, "one", a, "two", b);
        atMost(note("disputes", "two ack lists"), DISPUTE_LIMIT, "two ack lists");
    }

    // ------------------------------------------------------------------------------------- registry and beacon

    function test_gas_membership() public {
        Actor memory made = actor(0x9999);
        StakeRegistry.Consent memory given = consent(made.key, made.cold);
        vm.prank(made.cold);
        uint32 node = registry.register{value: SEAT}(given, endpoint(host(900, 1), 1_000_000), 1);
        note("registry", "register, one seat");
        vm.warp(block.timestamp + QUARANTINE);
        vm.prank(made.cold);
        registry.update(node, endpoint(host(901, 1), 1_000_000), 1);
        note("registry", "update, one seat");
        vm.prank(made.cold);
        registry.deregister(node);
        note("registry", "deregister");
        vm.warp(block.timestamp + UNBONDING);
        registry.withdraw(node);
        note("registry", "withdraw");
    }

    function test_gas_beacon() public {
        BeaconRegistry real = new BeaconRegistry(new BeaconRegistry.LocalBeacon[](0));
        string memory file = vm.readFile("contracts/fixtures/blsG1.json");
        bytes memory signature = vm.parseJsonBytesArray(file, ".short")[1];
        uint64 round = uint64(vm.parseJsonUintArray(file, ".rounds")[1]);
        bytes32 chain = real.QUICKNET();
        real.submit(chain, round, signature);
        note("beacon", "submit a quicknet round, once for all its challenges");
    }
}
