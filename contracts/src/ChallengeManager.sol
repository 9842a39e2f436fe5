// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IAttestationVerifier} from "./interfaces/IAttestationVerifier.sol";
import {IBeaconRegistry} from "./interfaces/IBeaconRegistry.sol";
import {IChallengeManager} from "./interfaces/IChallengeManager.sol";
import {DrawQuery, IStakeRegistry} from "./interfaces/IStakeRegistry.sol";
import {BinomialTail} from "./libraries/BinomialTail.sol";
import {Messages, Outcome, Request} from "./libraries/Messages.sol";

/// @title Escrow, committee and settlement of one challenge after another
/// @notice open (payer's fee, prover's bond) -> fixCommittee (once the named beacon round is there) -> settle
/// (n - f signatures over one Result) -> claim (members) and close (payer's rest, prover's bond) after the dispute
/// window. Where nothing is settled in time, `expire` refunds. Every step but `open` can be taken by anyone; there
/// is no owner, no pause and no upgrade. docs/contracts.md has the reasons.
contract ChallengeManager is IChallengeManager, EIP712, ReentrancyGuardTransient {
    /// @notice Numbers fixed at deployment; times in seconds, amounts in wei.
    /// @param activationDelay a request's registry snapshot is at least this old.
    /// @param maxSnapshotAge and at most this old.
    /// @param driftMargin the named round lies at least this far past the block's time (a sequencer may backdate).
    /// @param maxLead and at most this far.
    /// @param maxLife from the round to the request's expiry, at most.
    /// @param settleWindow from the expiry to the last moment of settlement.
    /// @param disputeWindow from settlement to the payouts.
    /// @param minSlotFee the least fee of one member.
    /// @param attemptShare what payer and prover each pay per member owed where the prover never revealed.
    /// @param proverBond forfeited for a proven fault of the prover.
    /// @param profiles bit p allows profile p; 4 (strict only) on a public chain.
    struct Config {
        uint48 activationDelay;
        uint48 maxSnapshotAge;
        uint48 driftMargin;
        uint48 maxLead;
        uint48 maxLife;
        uint48 settleWindow;
        uint48 disputeWindow;
        uint96 minSlotFee;
        uint96 attemptShare;
        uint96 proverBond;
        uint8 profiles;
    }

    enum Status {
        None,
        Open,
        Fixed,
        Settled,
        NoResult,
        Expired,
        Void
    }

    /// @notice What the draw needs and the request does not say; fixed at opening, logged there, and brought again
    /// by whoever fixes the committee.
    struct DrawTerms {
        uint48 snapshot;
        uint56 proverPrefix;
        address proverOwner;
        address payerOwner;
        address coordinatorOwner;
    }

    /// @notice One challenge.
    /// @param faulty f. @param drawn members in the fixed committee.
    /// @param settleBy last second of settlement. @param finalAt last second of disputes, where it is over.
    /// @param pin hash of the DrawTerms while open, of the committee afterwards.
    /// @param faults bit i: a fault of member i was proven. @param claimed bit i: member i was paid.
    struct Challenge {
        Status status;
        uint8 profile;
        uint8 size;
        uint8 faulty;
        uint8 drawn;
        bool proverFaulty;
        bool closed;
        uint32 claimKbps;
        uint40 settleBy;
        uint40 finalAt;
        uint88 slotFee;
        bytes32 pin;
        address refundTo;
        uint64 faults;
        address prover;
        uint64 claimed;
        bytes32 evidenceHash;
        uint64 guaranteedKbps;
        uint64 estimateKbps;
        uint64 owed;
        uint64 signers;
    }

    /// @notice A prover's money here. `lastDraw`: time of the latest round a request of it named. `opened`: its
    /// challenges so far; who judges a prover by its best result divides delta by the attempts.
    struct Account {
        uint128 free;
        uint48 lastDraw;
        uint32 opened;
    }

    /// @notice One payout of a member.
    struct Claim {
        bytes32 challengeId;
        uint256 index;
        address[] committee;
    }

    /// @notice The deployment's numbers do not fit together, or not the registry's.
    error InvalidConfig();
    /// @notice The request's numbers break a rule of docs/protocol.md section 2, or refundTo is zero.
    error InvalidRequest();
    /// @notice This deployment does not settle that profile.
    error ProfileNotAllowed(uint8 profile);
    /// @notice Only the payer that the request names opens it.
    error NotPayer(address caller, address payer);
    /// @notice The fee of one member is below MIN_SLOT_FEE, or above what is stored.
    error InsufficientFee(uint256 have, uint256 need);
    /// @notice The value is not a multiple of the number of members: nothing is rounded.
    error FeeNotDivisible(uint256 value, uint256 members);
    /// @notice The registry snapshot is younger than ACTIVATION_DELAY or older than MAX_SNAPSHOT_AGE.
    error SnapshotOutOfRange(uint256 snapshot, uint256 oldest, uint256 newest);
    /// @notice The request names another registry state than the snapshot's.
    error WrongRegistryHash(bytes32 have, bytes32 need);
    /// @notice The named round is nearer than DRIFT_MARGIN or farther than MAX_LEAD.
    error RoundOutOfRange(uint256 roundTime, uint256 earliest, uint256 latest);
    /// @notice The named round is on the chain already: its draw could be chosen.
    error RoundAlreadyKnown();
    /// @notice An earlier request of this prover names this round or a later one.
    error DrawNotAfterLast(uint256 roundTime, uint256 lastDraw);
    /// @notice The request expires before its round, or more than MAX_LIFE after it.
    error InvalidExpiry(uint256 expiresAt, uint256 earliest, uint256 latest);
    /// @notice The acceptance was not signed by the prover.
    error InvalidAcceptance(address signer, address prover);
    /// @notice The prover accepted less than a second before the round.
    error AcceptedTooLate(uint256 acceptedAt, uint256 roundTime);
    /// @notice The deposit has less unbound money than is asked for.
    error InsufficientBond(uint256 have, uint256 need);
    /// @notice This very request was opened before.
    error AlreadyOpen(bytes32 challengeId);
    /// @notice The challenge is not in the state that this step wants.
    error WrongStatus(Status have);
    /// @notice The draw terms or the committee are not the pinned ones.
    error WrongTerms();
    /// @notice Nobody has brought the named round to the beacon registry yet.
    error RoundUnknown(uint64 round);
    /// @notice The last second for this step is over.
    error TooLate(uint256 deadline);
    /// @notice The first second for this step has not come.
    error TooEarly(uint256 earliest);
    /// @notice A rate above 6/5 of the claim, or a rate with no evidence.
    error ImplausibleResult();
    /// @notice `owed` has a bit past the committee.
    error OwedOutOfRange(uint256 owed, uint256 members);
    /// @notice Fewer members than the quorum signed, those with a proven fault not counted.
    error TooFewSigners(uint256 have, uint256 need);
    /// @notice There is no money for this call to move.
    error NothingToPay();
    /// @notice Only the prover's cold wallet takes from its deposit.
    error NotProverOwner(address caller, address owner);
    /// @notice The key is in no record of the stake registry.
    error NotRegistered(address hotKey);
    /// @notice Only the dispute contract marks faults.
    error OnlyDisputes(address caller);
    /// @notice The challenge has no committee yet, or its dispute window is over.
    error NotDisputable();
    /// @notice A fault of this party in this challenge was proven before.
    error AlreadyFaulty();
    /// @notice The accused is not in the committee.
    error NotMember(address member);
    /// @notice The accused is not the challenge's prover.
    error NotProver(address accused, address prover);
    /// @notice The receiver refused the money.
    error TransferFailed(address to);

    /// @notice Money was added to a prover's deposit.
    event Deposited(address indexed prover, uint256 amount);
    /// @notice A part of a deposit went to the prover's cold wallet.
    event DepositWithdrawn(address indexed prover, address indexed owner, uint256 amount);
    /// @notice A challenge began. `request` and `terms` are what fixCommittee takes; `attempt` counts the prover's challenges.
    event ChallengeOpened(
        bytes32 indexed challengeId,
        address indexed prover,
        address indexed payer,
        Request request,
        DrawTerms terms,
        uint64 acceptedAt,
        address refundTo,
        uint256 slotFee,
        uint256 attempt
    );
    /// @notice The committee was drawn and pinned; `quorum` signatures settle.
    event CommitteeFixed(bytes32 indexed challengeId, address[] committee, uint256 quorum);
    /// @notice Too few members were able: fee and bond went back.
    event ChallengeVoided(bytes32 indexed challengeId, uint256 drawn);
    /// @notice A Result (evidenceHash zero: "no result") was settled by the members in the bits `signers`.
    event ChallengeSettled(bytes32 indexed challengeId, Outcome outcome, uint256 signers);
    /// @notice Nobody settled in time.
    event ChallengeExpired(bytes32 indexed challengeId);
    /// @notice The payer's rest was credited and the prover's bond returned to its deposit.
    event ChallengeClosed(bytes32 indexed challengeId, uint256 refund, uint256 bondReturned);
    /// @notice A member's fee left for its cold wallet.
    event MemberPaid(bytes32 indexed challengeId, address indexed member, uint256 amount);
    /// @notice An account can withdraw that much more.
    event CreditAdded(address indexed account, uint256 amount);
    /// @notice An account's whole credit was paid to it.
    event CreditWithdrawn(address indexed account, uint256 amount);
    /// @notice A fault of a member was proven: its fee goes back to the payer.
    event MemberFaulted(bytes32 indexed challengeId, address indexed member, uint256 index);
    /// @notice A fault of the prover was proven: its bond is forfeited, `reward` of it to the reporter.
    event ProverFaulted(
        bytes32 indexed challengeId, address indexed prover, uint256 forfeited, uint256 reward
    );
    /// @notice Forfeited money went to the zero address.
    event Burned(uint256 amount);

    /// @notice Most members: one bit each in a 64-bit map.
    uint256 public constant MAX_COMMITTEE = 64;
    /// @notice The reporter's part of a forfeited bond, in thousandths; the rest is burned.
    uint256 public constant REWARD_PERMILLE = 250;
    uint64 private constant MAX_CLAIM_KBPS = 100_000_000;
    uint8 private constant QUICK = 0;
    uint8 private constant STANDARD = 1;
    uint8 private constant STRICT = 2;

    /// @notice Who may be drawn.
    IStakeRegistry public immutable REGISTRY;
    /// @notice Where verified rounds are.
    IBeaconRegistry public immutable BEACONS;
    /// @notice What checks the members' signatures.
    IAttestationVerifier public immutable VERIFIER;
    /// @inheritdoc IChallengeManager
    address public immutable DISPUTES;
    /// @notice Least age of a request's snapshot, seconds.
    uint48 public immutable ACTIVATION_DELAY;
    /// @notice Greatest age of a request's snapshot, seconds.
    uint48 public immutable MAX_SNAPSHOT_AGE;
    /// @notice Least seconds from opening to the named round.
    uint48 public immutable DRIFT_MARGIN;
    /// @notice Most seconds from opening to the named round.
    uint48 public immutable MAX_LEAD;
    /// @notice Most seconds from the round to the expiry.
    uint48 public immutable MAX_LIFE;
    /// @notice Seconds from the expiry to the last settlement.
    uint48 public immutable SETTLE_WINDOW;
    /// @notice Seconds from settlement to the payouts.
    uint48 public immutable DISPUTE_WINDOW;
    /// @notice Least fee of one member, wei.
    uint96 public immutable MIN_SLOT_FEE;
    /// @notice What payer and prover each pay a member owed for "no result", wei.
    uint96 public immutable ATTEMPT_SHARE;
    /// @notice What a proven fault costs the prover, wei.
    uint96 public immutable PROVER_BOND;
    /// @notice Bit p: profile p settles here.
    uint8 public immutable PROFILES;

    /// @notice Forfeited wei waiting for `burn`.
    uint256 public burnable;
    /// @notice What an address may withdraw: refunds.
    mapping(address account => uint256) public credits;

    mapping(bytes32 challengeId => Challenge) private _challenges;
    mapping(address prover => Account) private _accounts;

    /// @param disputes the DisputeGame; its address is computed before it exists, and it checks this on deployment.
    constructor(
        IStakeRegistry registry,
        IBeaconRegistry beacons,
        IAttestationVerifier verifier,
        address disputes,
        Config memory config
    ) EIP712("plumbline", "1") {
        _checkConfig(registry, disputes, config);
        REGISTRY = registry;
        BEACONS = beacons;
        VERIFIER = verifier;
        DISPUTES = disputes;
        ACTIVATION_DELAY = config.activationDelay;
        MAX_SNAPSHOT_AGE = config.maxSnapshotAge;
        DRIFT_MARGIN = config.driftMargin;
        MAX_LEAD = config.maxLead;
        MAX_LIFE = config.maxLife;
        SETTLE_WINDOW = config.settleWindow;
        DISPUTE_WINDOW = config.disputeWindow;
        MIN_SLOT_FEE = config.minSlotFee;
        ATTEMPT_SHARE = config.attemptShare;
        PROVER_BOND = config.proverBond;
        PROFILES = config.profiles;
    }

    // -------------------------------------------------------------------------------------------- deposits

    /// @notice Adds to a prover's deposit, from which bonds are taken. It only ever returns to the cold wallet.
    function deposit(address prover) external payable {
        if (REGISTRY.ownerOf(prover) == address(0)) revert NotRegistered(prover);
        // No chain has 2^128 wei.
        _accounts[prover].free += uint128(msg.value);
        emit Deposited(prover, msg.value);
    }

    /// @notice Returns an unbound part of a prover's deposit to its cold wallet, which alone may ask.
    function withdrawDeposit(address prover, uint128 amount) external nonReentrant {
        address owner = REGISTRY.ownerOf(prover);
        if (msg.sender != owner) revert NotProverOwner(msg.sender, owner);
        Account storage account = _accounts[prover];
        if (amount > account.free) revert InsufficientBond(account.free, amount);
        account.free -= amount;
        emit DepositWithdrawn(prover, owner, amount);
        _send(owner, amount);
    }

    // ------------------------------------------------------------------------------------------ the course

    /// @notice Opens a challenge. The caller is the request's payer; the value is committeeSize times the fee of
    /// one member, at least MIN_SLOT_FEE.
    /// @param snapshot the second whose registry state `request.registryHash` names.
    /// @param acceptedAt as the prover signed it in `acceptance`, its signature over Acceptance.
    /// @param refundTo the payer's cold wallet.
    function open(
        Request calldata request,
        uint48 snapshot,
        uint64 acceptedAt,
        bytes calldata acceptance,
        address refundTo
    ) external payable returns (bytes32 challengeId) {
        if (msg.sender != request.payer) {
            revert NotPayer(msg.sender, request.payer);
        }
        if (refundTo == address(0)) revert InvalidRequest();
        challengeId = challengeIdOf(request);
        Challenge storage challenge = _challenges[challengeId];
        if (challenge.status != Status.None) revert AlreadyOpen(challengeId);
        uint256 roundTime = _checkTimes(request, snapshot);
        _checkAcceptance(challengeId, request.prover, acceptedAt, acceptance, roundTime);
        challenge.faulty = _budget(request);
        challenge.slotFee = _slotFee(request.committeeSize);
        uint256 attempt = _lockBond(request, roundTime);
        DrawTerms memory terms = _drawTerms(request, snapshot);
        _store(challenge, request, terms, refundTo);
        emit ChallengeOpened(
            challengeId,
            request.prover,
            request.payer,
            request,
            terms,
            acceptedAt,
            refundTo,
            challenge.slotFee,
            attempt
        );
    }

    /// @notice Draws and pins the committee once the named round is verified. Anyone may call it. Where the pool
    /// has too few able members the challenge is void, and fee and bond go back.
    /// @param request as opened. @param terms as logged by ChallengeOpened.
    function fixCommittee(Request calldata request, DrawTerms calldata terms)
        external
        returns (address[] memory committee)
    {
        bytes32 challengeId = challengeIdOf(request);
        Challenge storage challenge = _challenges[challengeId];
        if (challenge.status != Status.Open) revert WrongStatus(challenge.status);
        if (keccak256(abi.encode(terms)) != challenge.pin) revert WrongTerms();
        if (block.timestamp > challenge.settleBy) revert TooLate(challenge.settleBy);
        bytes32 random = BEACONS.randomness(request.beaconChain, request.beaconRound);
        if (random == 0) revert RoundUnknown(request.beaconRound);
        committee = REGISTRY.draw(_query(request, terms, random));
        if (!_isEnough(request, challenge.faulty, committee.length)) {
            challenge.status = Status.Void;
            emit ChallengeVoided(challengeId, committee.length);
            _release(challengeId, challenge, 0);
            return committee;
        }
        challenge.status = Status.Fixed;
        // At most MAX_COMMITTEE.
        challenge.drawn = uint8(committee.length);
        challenge.pin = keccak256(abi.encodePacked(committee));
        emit CommitteeFixed(challengeId, committee, committee.length - challenge.faulty);
    }

    /// @notice Settles with the signatures of n - f members over one Result. Anyone may call it.
    /// @param outcome evidenceHash zero (then both rates zero) says that the prover never revealed; `owed` then
    /// names the members owed the attempt fee.
    /// @param proof as the attestation verifier takes it.
    function settle(bytes32 challengeId, Outcome calldata outcome, bytes calldata proof) external {
        Challenge storage challenge = _challenges[challengeId];
        if (challenge.status != Status.Fixed) revert WrongStatus(challenge.status);
        if (block.timestamp > challenge.settleBy) revert TooLate(challenge.settleBy);
        _checkOutcome(challenge, outcome);
        bytes32 digest = _hashTypedDataV4(Messages.hashResult(challengeId, outcome));
        uint256 signers = VERIFIER.verify(digest, challenge.pin, proof);
        uint256 quorum = challenge.drawn - challenge.faulty;
        uint256 counted = _popCount(signers & ~uint256(challenge.faults));
        if (counted < quorum) revert TooFewSigners(counted, quorum);
        _record(challenge, outcome, signers);
        emit ChallengeSettled(challengeId, outcome, signers);
    }

    /// @notice Ends a challenge that nobody settled in time: the payer is refunded whole. Anyone may call it.
    function expire(bytes32 challengeId) external {
        Challenge storage challenge = _challenges[challengeId];
        Status status = challenge.status;
        if (status != Status.Open && status != Status.Fixed) revert WrongStatus(status);
        if (block.timestamp <= challenge.settleBy) revert TooEarly(uint256(challenge.settleBy) + 1);
        challenge.status = Status.Expired;
        emit ChallengeExpired(challengeId);
        if (status == Status.Open) {
            _release(challengeId, challenge, 0); // nobody was drawn, so nobody can be at fault
            return;
        }
        challenge.finalAt = challenge.settleBy + uint40(DISPUTE_WINDOW);
        _credit(challenge.refundTo, uint256(challenge.slotFee) * challenge.size);
    }

    /// @notice After the dispute window, credits what is left of the fee to the payer's cold wallet and returns
    /// the prover's bond. Anyone may call it; members' claims do not depend on it.
    function close(bytes32 challengeId) external {
        Challenge storage challenge = _challenges[challengeId];
        _mustBeFinal(challenge);
        if (challenge.closed) revert NothingToPay();
        _release(challengeId, challenge, challenge.owed & ~challenge.faults);
    }

    /// @notice Pays a member's fees of any number of challenges to its cold wallet, in one transfer. Anyone may
    /// call it. An item that is not due (not owed, not final, claimed before, at fault) is passed over.
    function claim(address member, Claim[] calldata items) external nonReentrant returns (uint256 total) {
        for (uint256 i = 0; i < items.length; ++i) {
            total += _takeClaim(member, items[i]);
        }
        if (total == 0) revert NothingToPay();
        _send(REGISTRY.ownerOf(member), total);
    }

    /// @notice Pays an account's credit to that account. Anyone may call it.
    function withdraw(address account) external nonReentrant {
        uint256 amount = credits[account];
        if (amount == 0) revert NothingToPay();
        credits[account] = 0;
        emit CreditWithdrawn(account, amount);
        _send(account, amount);
    }

    /// @notice Sends forfeited bonds to the zero address.
    function burn() external nonReentrant {
        uint256 amount = burnable;
        if (amount == 0) revert NothingToPay();
        burnable = 0;
        emit Burned(amount);
        _send(address(0), amount);
    }

    // -------------------------------------------------------------------------------------------- disputes

    /// @inheritdoc IChallengeManager
    function markMember(bytes32 challengeId, address[] calldata committee, address member) external {
        Challenge storage challenge = _disputable(challengeId);
        if (keccak256(abi.encodePacked(committee)) != challenge.pin) revert WrongTerms();
        uint256 index = 0;
        while (index < committee.length && committee[index] != member) ++index;
        if (index == committee.length) revert NotMember(member);
        // The committee is the pinned one: at most 64 members.
        uint64 bit = uint64(1) << uint64(index);
        if (challenge.faults & bit != 0) revert AlreadyFaulty();
        challenge.faults |= bit;
        emit MemberFaulted(challengeId, member, index);
    }

    /// @inheritdoc IChallengeManager
    function markProver(bytes32 challengeId, address prover) external nonReentrant returns (uint256 reward) {
        Challenge storage challenge = _disputable(challengeId);
        if (challenge.prover != prover) revert NotProver(prover, challenge.prover);
        if (challenge.proverFaulty) revert AlreadyFaulty();
        challenge.proverFaulty = true;
        reward = (uint256(PROVER_BOND) * REWARD_PERMILLE) / 1000;
        burnable += PROVER_BOND - reward;
        emit ProverFaulted(challengeId, prover, PROVER_BOND, reward);
        _send(msg.sender, reward);
    }

    // ---------------------------------------------------------------------------------------------- views

    /// @notice The EIP-712 digest of a request (docs/protocol.md section 2).
    function challengeIdOf(Request calldata request) public view returns (bytes32) {
        return _hashTypedDataV4(Messages.hashRequest(request));
    }

    /// @inheritdoc IChallengeManager
    function digestOf(bytes32 structHash) external view returns (bytes32) {
        return _hashTypedDataV4(structHash);
    }

    /// @notice A challenge as stored; all zero for an unknown one.
    function challengeOf(bytes32 challengeId) external view returns (Challenge memory) {
        return _challenges[challengeId];
    }

    /// @notice A prover's deposit and draws.
    function accountOf(address prover) external view returns (Account memory) {
        return _accounts[prover];
    }

    /// @notice The prover's bond for a committee of `size`: the forfeitable part and its half of attempt fees.
    function bondFor(uint256 size) public view returns (uint256) {
        return uint256(PROVER_BOND) + size * ATTEMPT_SHARE;
    }

    // ------------------------------------------------------------------------------------- opening, inside

    function _checkConfig(IStakeRegistry registry, address disputes, Config memory config) private view {
        uint256 lookBack =
            uint256(config.maxSnapshotAge) + config.maxLead + config.maxLife + config.settleWindow;
        if (
            disputes == address(0) || config.disputeWindow == 0 || config.settleWindow == 0
                || config.maxLife == 0 || config.activationDelay < config.driftMargin
                || config.activationDelay == 0 || config.maxSnapshotAge <= config.activationDelay
                || config.maxLead <= config.driftMargin || registry.QUARANTINE() < lookBack
                || registry.UNBONDING() <= lookBack + config.disputeWindow
        ) revert InvalidConfig();
        if (
            config.minSlotFee == 0 || config.attemptShare > config.minSlotFee || config.proverBond == 0
                || config.profiles == 0 || config.profiles > 7
        ) revert InvalidConfig();
    }

    function _checkTimes(Request calldata request, uint48 snapshot) private view returns (uint256 roundTime) {
        uint256 present = block.timestamp;
        if (snapshot + MAX_SNAPSHOT_AGE < present || snapshot + ACTIVATION_DELAY > present) {
            revert SnapshotOutOfRange(snapshot, present - MAX_SNAPSHOT_AGE, present - ACTIVATION_DELAY);
        }
        bytes32 registryHash = REGISTRY.snapshotHash(snapshot);
        if (request.registryHash != registryHash) {
            revert WrongRegistryHash(request.registryHash, registryHash);
        }
        roundTime = BEACONS.roundTime(request.beaconChain, request.beaconRound);
        if (roundTime < present + DRIFT_MARGIN || roundTime > present + MAX_LEAD) {
            revert RoundOutOfRange(roundTime, present + DRIFT_MARGIN, present + MAX_LEAD);
        }
        if (BEACONS.randomness(request.beaconChain, request.beaconRound) != 0) revert RoundAlreadyKnown();
        if (request.expiresAt <= roundTime || request.expiresAt > roundTime + MAX_LIFE) {
            revert InvalidExpiry(request.expiresAt, roundTime + 1, roundTime + MAX_LIFE);
        }
    }

    function _checkAcceptance(
        bytes32 challengeId,
        address prover,
        uint64 acceptedAt,
        bytes calldata acceptance,
        uint256 roundTime
    ) private view {
        if (uint256(acceptedAt) + 1 > roundTime) {
            revert AcceptedTooLate(acceptedAt, roundTime);
        }
        bytes32 digest = _hashTypedDataV4(Messages.hashAcceptance(challengeId, acceptedAt));
        address signer = ECDSA.recoverCalldata(digest, acceptance);
        if (signer != prover) revert InvalidAcceptance(signer, prover);
    }

    /// f, after checking the request's numbers (docs/protocol.md sections 2 and 4; docs/contracts.md, "Teams").
    function _budget(Request calldata request) private view returns (uint8) {
        uint256 n = request.committeeSize;
        uint256 f = request.faulty;
        if (request.profile > STRICT || (PROFILES >> request.profile) & 1 == 0) {
            revert ProfileNotAllowed(request.profile);
        }
        if (
            n == 0 || n > MAX_COMMITTEE || request.teams == 0 || request.teams > n || request.direction > 1
                || request.claimKbps == 0 || request.claimKbps > MAX_CLAIM_KBPS
        ) revert InvalidRequest();
        if (request.profile == STRICT) {
            if (f != 0 || n % request.teams != 0) revert InvalidRequest();
            f = BinomialTail.budget(n, request.betaMillionths, request.deltaMillionths);
        } else {
            uint256 teams = request.profile == QUICK ? 1 : 2 * f + 1;
            if (request.teams != teams || request.betaMillionths != 0 || request.deltaMillionths != 0) {
                revert InvalidRequest();
            }
        }
        // An honest majority of those who sign, whatever the request says.
        if (2 * f >= n) revert InvalidRequest();
        // Below n.
        return uint8(f);
    }

    function _slotFee(uint256 size) private view returns (uint88) {
        if (msg.value % size != 0) revert FeeNotDivisible(msg.value, size);
        uint256 slotFee = msg.value / size;
        if (slotFee < MIN_SLOT_FEE || slotFee > type(uint88).max) {
            revert InsufficientFee(slotFee, MIN_SLOT_FEE);
        }
        // Checked in the line before.
        return uint88(slotFee);
    }

    /// One draw per prover and round: the rounds that a prover's requests name only go forward.
    function _lockBond(Request calldata request, uint256 roundTime) private returns (uint256) {
        Account storage account = _accounts[request.prover];
        uint256 bond = bondFor(request.committeeSize);
        if (account.free < bond) revert InsufficientBond(account.free, bond);
        if (roundTime <= account.lastDraw) revert DrawNotAfterLast(roundTime, account.lastDraw);
        // A bond is a sum of two 96-bit amounts times at most 64; a round's time was checked against the clock.
        account.free -= uint128(bond);
        account.lastDraw = uint48(roundTime);
        return ++account.opened;
    }

    function _drawTerms(Request calldata request, uint48 snapshot)
        private
        view
        returns (DrawTerms memory terms)
    {
        terms.snapshot = snapshot;
        (terms.proverOwner, terms.proverPrefix) = REGISTRY.activeSince(request.prover, snapshot);
        terms.payerOwner = REGISTRY.ownerOf(request.payer);
        terms.coordinatorOwner = REGISTRY.ownerOf(request.coordinator);
    }

    function _store(
        Challenge storage challenge,
        Request calldata request,
        DrawTerms memory terms,
        address refundTo
    ) private {
        challenge.status = Status.Open;
        challenge.profile = request.profile;
        // All three were checked against their limits.
        challenge.size = uint8(request.committeeSize);
        challenge.claimKbps = uint32(request.claimKbps);
        challenge.settleBy = uint40(request.expiresAt) + uint40(SETTLE_WINDOW);
        challenge.pin = keccak256(abi.encode(terms));
        challenge.refundTo = refundTo;
        challenge.prover = request.prover;
    }

    // ---------------------------------------------------------------------------------- the draw, inside

    function _query(Request calldata request, DrawTerms calldata terms, bytes32 random)
        private
        pure
        returns (DrawQuery memory query)
    {
        query.seed =
            keccak256(abi.encodePacked("plumbline/1/draw", random, request.prover, request.registryHash));
        query.snapshot = terms.snapshot;
        query.size = request.committeeSize;
        // At most 1.2 times 10^8.
        query.minUplinkKbps = uint32(_memberRate(request));
        query.proverPrefix = terms.proverPrefix;
        query.excluded = [terms.proverOwner, terms.payerOwner, terms.coordinatorOwner];
    }

    /// ceil(ceil(claim x 6 / 5) / m), m = floor(n / G).
    function _memberRate(Request calldata request) private pure returns (uint256) {
        uint256 offered = (uint256(request.claimKbps) * 6 + 4) / 5;
        uint256 m = request.committeeSize / request.teams;
        return (offered + m - 1) / m;
    }

    /// Standard goes on with fewer teams, at least f + 1; the others need all n.
    function _isEnough(Request calldata request, uint256 f, uint256 drawn) private pure returns (bool) {
        if (drawn == request.committeeSize) return true;
        if (request.profile != STANDARD) return false;
        uint256 m = request.committeeSize / request.teams;
        return drawn / m >= f + 1 && 2 * f < drawn;
    }

    // ----------------------------------------------------------------------------- settling, inside

    function _checkOutcome(Challenge storage challenge, Outcome calldata outcome) private view {
        uint256 offered = (uint256(challenge.claimKbps) * 6) / 5;
        if (outcome.guaranteedKbps > offered || outcome.estimateKbps > offered) revert ImplausibleResult();
        if (outcome.evidenceHash == 0 && (outcome.guaranteedKbps != 0 || outcome.estimateKbps != 0)) {
            revert ImplausibleResult();
        }
        if (outcome.owed >> challenge.drawn != 0) revert OwedOutOfRange(outcome.owed, challenge.drawn);
    }

    function _record(Challenge storage challenge, Outcome calldata outcome, uint256 signers) private {
        challenge.status = outcome.evidenceHash == 0 ? Status.NoResult : Status.Settled;
        challenge.finalAt = uint40(block.timestamp + DISPUTE_WINDOW);
        challenge.evidenceHash = outcome.evidenceHash;
        challenge.guaranteedKbps = outcome.guaranteedKbps;
        challenge.estimateKbps = outcome.estimateKbps;
        // Both have no bit at or above `drawn`.
        challenge.owed = uint64(outcome.owed);
        challenge.signers = uint64(signers);
    }

    function _mustBeFinal(Challenge storage challenge) private view {
        if (!_isOver(challenge.status)) revert WrongStatus(challenge.status);
        if (block.timestamp <= challenge.finalAt) revert TooEarly(uint256(challenge.finalAt) + 1);
    }

    function _isOver(Status status) private pure returns (bool) {
        return status == Status.Settled || status == Status.NoResult || status == Status.Expired;
    }

    /// Pays out what is not the members': the payer's rest as credit, the prover's bond into its deposit.
    /// @param due bits of the members that are paid.
    function _release(bytes32 challengeId, Challenge storage challenge, uint256 due) private {
        challenge.closed = true;
        uint256 paid = _popCount(due);
        uint256 refund = uint256(challenge.slotFee) * challenge.size;
        uint256 bond = bondFor(challenge.size);
        if (challenge.proverFaulty) bond -= PROVER_BOND;
        if (challenge.status == Status.Settled) {
            refund -= challenge.slotFee * paid;
        } else if (challenge.status == Status.NoResult) {
            refund -= ATTEMPT_SHARE * paid;
            bond -= ATTEMPT_SHARE * paid;
        } else if (challenge.status == Status.Expired && challenge.drawn > 0) {
            refund = 0; // `expire` credited it
        }
        _accounts[challenge.prover].free += uint128(bond);
        emit ChallengeClosed(challengeId, refund, bond);
        if (refund > 0) _credit(challenge.refundTo, refund);
    }

    function _takeClaim(address member, Claim calldata item) private returns (uint256 amount) {
        Challenge storage challenge = _challenges[item.challengeId];
        Status status = challenge.status;
        if (status != Status.Settled && status != Status.NoResult) return 0;
        if (block.timestamp <= challenge.finalAt || item.index >= item.committee.length) return 0;
        if (item.committee[item.index] != member) return 0;
        if (keccak256(abi.encodePacked(item.committee)) != challenge.pin) return 0;
        // The committee is the pinned one: at most 64 members.
        uint64 bit = uint64(1) << uint64(item.index);
        if (challenge.owed & ~challenge.faults & ~challenge.claimed & bit == 0) return 0;
        challenge.claimed |= bit;
        amount = status == Status.Settled ? challenge.slotFee : 2 * uint256(ATTEMPT_SHARE);
        emit MemberPaid(item.challengeId, member, amount);
    }

    function _disputable(bytes32 challengeId) private view returns (Challenge storage challenge) {
        if (msg.sender != DISPUTES) revert OnlyDisputes(msg.sender);
        challenge = _challenges[challengeId];
        uint256 last = challenge.finalAt;
        if (challenge.status == Status.Fixed) last = uint256(challenge.settleBy) + DISPUTE_WINDOW;
        else if (!_isOver(challenge.status)) revert NotDisputable();
        if (block.timestamp > last) revert NotDisputable();
    }

    function _credit(address account, uint256 amount) private {
        credits[account] += amount;
        emit CreditAdded(account, amount);
    }

    function _popCount(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) {
            ++count;
        }
    }

    function _send(address to, uint256 amount) private {
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert TransferFailed(to);
    }
}
