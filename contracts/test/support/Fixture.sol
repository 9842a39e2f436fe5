// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChallengeManager} from "../../src/ChallengeManager.sol";
import {DisputeGame} from "../../src/DisputeGame.sol";
import {EcdsaAttestationVerifier} from "../../src/EcdsaAttestationVerifier.sol";
import {StakeRegistry} from "../../src/StakeRegistry.sol";
import {IBeaconRegistry} from "../../src/interfaces/IBeaconRegistry.sol";
import {Messages, Outcome, Request, SlotRun, TestimonyBody} from "../../src/libraries/Messages.sol";
import {Test} from "./Test.sol";

/// @notice A beacon whose rounds a test sets; BeaconRegistry has tests of its own.
contract SetBeacon is IBeaconRegistry {
    uint256 public constant GENESIS = 1_700_000_000;
    uint256 public constant PERIOD = 3;
    mapping(bytes32 => mapping(uint64 => bytes32)) public randomness;

    function set(bytes32 chainHash, uint64 round, bytes32 value) external {
        randomness[chainHash][round] = value;
    }

    function roundTime(bytes32, uint64 round) external pure returns (uint256) {
        return GENESIS + (round - 1) * PERIOD;
    }
}

/// @notice All contracts deployed as on a public chain, actors with keys, and the steps of a challenge.
abstract contract Fixture is Test {
    struct Actor {
        uint256 key;
        address hot;
        address cold;
        uint32 node;
    }

    uint256 internal constant START = 1_800_000_000;
    bytes32 internal constant CHAIN = keccak256("a beacon");
    uint96 internal constant SEAT = 1 ether;
    uint96 internal constant SLOT_FEE = 0.001 ether;
    uint96 internal constant SHARE = 0.0002 ether;
    uint96 internal constant BOND = 0.05 ether;
    uint128 internal constant REPORT_BOND = 0.01 ether;
    uint48 internal constant UNBONDING = 14 days;
    uint48 internal constant QUARANTINE = 3 hours;
    uint48 internal constant DISPUTE_WINDOW = 1 days;
    address internal constant REFUND = address(0xcafe);

    StakeRegistry internal registry;
    SetBeacon internal beacons;
    EcdsaAttestationVerifier internal verifier;
    ChallengeManager internal manager;
    DisputeGame internal disputes;

    Actor internal prover;
    Actor internal payer;
    Actor[] internal members;
    mapping(address hot => uint256 key) internal keyOf;
    uint256 internal saltCount;

    function setUp() public virtual {
        vm.warp(START);
        vm.roll(1000);
        deploy(config());
        prover = actor(0xA11CE);
        payer = actor(0xB0B);
        vm.deal(payer.hot, 1000 ether);
        prover.node = enroll(prover, host(200, 1), 0, 0, 0);
        vm.deal(address(this), 1000 ether);
        manager.deposit{value: 10 ether}(prover.hot);
    }

    receive() external payable virtual {}

    function config() internal pure virtual returns (ChallengeManager.Config memory) {
        return ChallengeManager.Config({
            activationDelay: 10 minutes,
            maxSnapshotAge: 1 hours,
            driftMargin: 30,
            maxLead: 10 minutes,
            maxLife: 30 minutes,
            settleWindow: 1 hours,
            disputeWindow: DISPUTE_WINDOW,
            minSlotFee: SLOT_FEE,
            attemptShare: SHARE,
            proverBond: BOND,
            profiles: 7
        });
    }

    function terms() internal pure virtual returns (StakeRegistry.Terms memory) {
        return StakeRegistry.Terms({
            seatStake: SEAT,
            unbonding: UNBONDING,
            quarantine: QUARANTINE,
            slashPermille: 500,
            rewardPermille: 200
        });
    }

    function deploy(ChallengeManager.Config memory settings) internal {
        uint256 nonce = vm.getNonce(address(this));
        address game = vm.computeCreateAddress(address(this), nonce + 4);
        registry = new StakeRegistry(game, terms());
        beacons = new SetBeacon();
        verifier = new EcdsaAttestationVerifier();
        manager = new ChallengeManager(registry, beacons, verifier, game, settings);
        disputes = new DisputeGame(registry, manager, REPORT_BOND);
    }

    // ---------------------------------------------------------------------------------------------- actors

    function actor(uint256 key) internal returns (Actor memory made) {
        made.key = key;
        made.hot = vm.addr(key);
        made.cold = address(uint160(uint256(keccak256(abi.encode("cold", key)))));
        keyOf[made.hot] = key;
        vm.deal(made.cold, 100 ether);
    }

    function host(uint256 net, uint256 last) internal pure returns (bytes16) {
        return bytes16(uint128(0xffff00000000 | (20 << 24) | (net << 8) | last));
    }

    function endpoint(bytes16 at, uint32 uplink) internal pure returns (StakeRegistry.Endpoint memory) {
        return StakeRegistry.Endpoint(at, 4000, uplink, "/ip4/20.0.0.1/tcp/4000");
    }

    function consent(uint256 key, address owner) internal returns (StakeRegistry.Consent memory made) {
        made.hotKey = vm.addr(key);
        made.salt = bytes32(++saltCount);
        made.expiry = uint64(block.timestamp + 1 hours);
        made.signature = sign(key, registrationDigest(owner, made.hotKey, made.salt, made.expiry));
    }

    function registrationDigest(address owner, address hot, bytes32 salt, uint64 expiry)
        internal
        view
        returns (bytes32)
    {
        bytes32 hash = keccak256(
            abi.encode(
                keccak256("Registration(address owner,address hotKey,bytes32 salt,uint64 expiry)"),
                owner,
                hot,
                salt,
                expiry
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain(address(registry), block.chainid), hash));
    }

    function domain(address verifyingContract, uint256 chainId) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("plumbline"),
                keccak256("1"),
                chainId,
                verifyingContract
            )
        );
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function enroll(Actor memory who, bytes16 at, uint32 uplink, uint8 seats, uint256 extra)
        internal
        returns (uint32)
    {
        StakeRegistry.Consent memory made = consent(who.key, who.cold);
        vm.prank(who.cold);
        return registry.register{value: uint256(seats) * SEAT + extra}(made, endpoint(at, uplink), seats);
    }

    /// `count` members of one seat each, every one in a /24 of its own.
    function addMembers(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            Actor memory made = actor(0x1000 + members.length);
            made.node = enroll(made, host(1000 + members.length, 7), 1_000_000, 1, 0);
            members.push(made);
        }
    }

    // ------------------------------------------------------------------------------------------- challenges

    /// Strict: n = 10, G = 10, m = 1, beta = 0.05, delta = 0.1 -> f = 2.
    function strictRequest() internal returns (Request memory request) {
        request.prover = prover.hot;
        request.payer = payer.hot;
        request.coordinator = payer.hot;
        request.profile = 2;
        request.claimKbps = 250_000;
        request.committeeSize = 10;
        request.teams = 10;
        request.betaMillionths = 50_000;
        request.deltaMillionths = 100_000;
        schedule(request);
    }

    function standardRequest(uint16 n, uint16 f) internal returns (Request memory request) {
        request = strictRequest();
        request.profile = 1;
        request.committeeSize = n;
        request.faulty = f;
        request.teams = 2 * f + 1;
        request.betaMillionths = 0;
        request.deltaMillionths = 0;
    }

    function schedule(Request memory request) internal {
        request.registryHash = registry.snapshotHash(snapshot());
        request.beaconChain = CHAIN;
        uint256 due = block.timestamp + 60;
        request.beaconRound = uint64((due - beacons.GENESIS()) / beacons.PERIOD() + 2);
        request.expiresAt = uint64(due + 20 minutes);
        request.salt = bytes32(++saltCount);
    }

    function snapshot() internal view returns (uint48) {
        return uint48(block.timestamp - 10 minutes);
    }

    function drawTerms(Request memory request)
        internal
        view
        returns (ChallengeManager.DrawTerms memory made)
    {
        made.snapshot = snapshot();
        (made.proverOwner, made.proverPrefix) = registry.activeSince(request.prover, made.snapshot);
        made.payerOwner = registry.ownerOf(request.payer);
        made.coordinatorOwner = registry.ownerOf(request.coordinator);
    }

    function acceptance(Request memory request, uint256 key)
        internal
        view
        returns (uint64 at, bytes memory signature)
    {
        at = uint64(block.timestamp);
        bytes32 id = manager.challengeIdOf(request);
        signature = sign(key, manager.digestOf(Messages.hashAcceptance(id, at)));
    }

    function openIt(Request memory request)
        internal
        returns (bytes32 id, ChallengeManager.DrawTerms memory made)
    {
        (uint64 at, bytes memory signature) = acceptance(request, keyOf[request.prover]);
        made = drawTerms(request);
        vm.prank(request.payer);
        id = manager.open{value: uint256(request.committeeSize) * SLOT_FEE}(
            request, snapshot(), at, signature, REFUND
        );
    }

    function reveal(Request memory request, bytes32 value) internal {
        beacons.set(request.beaconChain, request.beaconRound, value);
        vm.warp(block.timestamp + 90);
        vm.roll(block.number + 8);
    }

    /// Opened, drawn and pinned.
    function fixedChallenge(Request memory request)
        internal
        returns (bytes32 id, address[] memory committee)
    {
        ChallengeManager.DrawTerms memory made;
        (id, made) = openIt(request);
        reveal(request, keccak256(abi.encode("random", request.salt)));
        committee = manager.fixCommittee(request, made);
    }

    function outcome(uint256 owed) internal pure returns (Outcome memory) {
        return Outcome(keccak256("evidence"), 240_000, 249_000, owed);
    }

    function resultDigest(bytes32 id, Outcome memory said) internal view returns (bytes32) {
        return manager.digestOf(keccak256(abi.encode(Messages.RESULT_TYPEHASH, id, said)));
    }

    /// Signatures of the members whose bits are set.
    function proofOf(bytes32 id, address[] memory committee, Outcome memory said, uint256 signers)
        internal
        view
        returns (bytes memory)
    {
        bytes32 digest = resultDigest(id, said);
        bytes memory signatures;
        for (uint256 i = 0; i < committee.length; ++i) {
            if ((signers >> i) & 1 == 1) {
                signatures = bytes.concat(signatures, sign(keyOf[committee[i]], digest));
            }
        }
        return abi.encode(committee, signers, signatures);
    }

    function settleIt(bytes32 id, address[] memory committee, Outcome memory said, uint256 signers) internal {
        manager.settle(id, said, proofOf(id, committee, said, signers));
    }

    function claimOf(bytes32 id, uint256 index, address[] memory committee)
        internal
        pure
        returns (ChallengeManager.Claim[] memory items)
    {
        items = new ChallengeManager.Claim[](1);
        items[0] = ChallengeManager.Claim(id, index, committee);
    }

    // --------------------------------------------------------------------------------------------- disputes

    function caseOf(bytes32 id, address accused, address[] memory committee)
        internal
        pure
        returns (DisputeGame.Case memory)
    {
        return DisputeGame.Case(id, accused, keccak256("salt"), committee);
    }

    function announce(address reporter, DisputeGame.Case memory report) internal {
        vm.deal(reporter, reporter.balance + REPORT_BOND);
        bytes32 commitment = disputes.commitmentOf(reporter, report.challengeId, report.accused, report.salt);
        vm.prank(reporter);
        disputes.announce{value: REPORT_BOND}(commitment);
        vm.roll(block.number + 1);
    }

    function ackSignature(uint256 key, bytes32 id, bytes32 roots) internal view returns (bytes memory) {
        return sign(key, manager.digestOf(Messages.hashAckList(SlotRun(id, 1, 0), roots)));
    }

    function testimony(bytes32 seed, uint32 rtt) internal pure returns (TestimonyBody memory) {
        return TestimonyBody(seed, keccak256("acks"), keccak256("own"), rtt, 5, 100);
    }

    function testimonySignature(uint256 key, bytes32 id, TestimonyBody memory body)
        internal
        view
        returns (bytes memory)
    {
        bytes32 hash = keccak256(abi.encode(Messages.TESTIMONY_TYPEHASH, SlotRun(id, 1, 0), body));
        return sign(key, manager.digestOf(hash));
    }
}
