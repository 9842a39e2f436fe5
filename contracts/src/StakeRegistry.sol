// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {DrawQuery, IStakeRegistry} from "./interfaces/IStakeRegistry.sol";
import {Prefixes} from "./libraries/Prefixes.sol";

/// @title Who may be drawn, with what at stake
/// @notice A cold wallet registers a node's hot key (the node's libp2p secp256k1 key, so peer id and address are
/// one identity) and buys seats; a draw samples seats. A provers-only node has none. Nobody owns this contract:
/// nothing pauses it, stake leaves after the unbonding time to the cold wallet alone, and only the dispute
/// contract, on a proof, takes a part of it.
///
/// What a draw reads never changes under it. A *record* (key, owner, prefix, uplink) is immutable but for its end;
/// every change of a node ends one record and begins another; a seat of an ended record stays where it is for
/// QUARANTINE seconds, longer than any draw looks back.
contract StakeRegistry is IStakeRegistry, EIP712, ReentrancyGuardTransient {
    using Checkpoints for Checkpoints.Trace208;

    /// @notice Numbers fixed at deployment.
    /// @param seatStake wei per seat.
    /// @param unbonding seconds from leaving to withdrawal.
    /// @param quarantine seconds for which a freed seat is not reused, and between two changes of a seated node.
    /// @param slashPermille part of a node's stake that one fault costs.
    /// @param rewardPermille part of the slashed that the reporter gets; the rest is burned.
    struct Terms {
        uint96 seatStake;
        uint48 unbonding;
        uint48 quarantine;
        uint16 slashPermille;
        uint16 rewardPermille;
    }

    /// @notice Where a node serves. `host`: 16 bytes, IPv4 as ::ffff:a.b.c.d. `addresses`: the libp2p multiaddrs
    /// as text, one a line; only logged.
    struct Endpoint {
        bytes16 host;
        uint16 udpPort;
        uint32 uplinkKbps;
        bytes addresses;
    }

    /// @notice A hot key's signed consent to be run by a cold wallet.
    struct Consent {
        address hotKey;
        bytes32 salt;
        uint64 expiry;
        bytes signature;
    }

    /// @notice A node. `record` is zero while it is in no registry state (left or slashed).
    struct Node {
        address owner;
        uint32 record;
        uint8 seats;
        uint48 changedAt;
        uint128 unbonding;
        uint48 unbondedAt;
    }

    /// @notice An entry that draws read; immutable but for `until` (zero while current).
    struct Record {
        address owner;
        uint56 prefix;
        uint32 uplinkKbps;
        address hotKey;
        uint48 until;
        uint48 since;
    }

    /// @notice A seat as a draw sees it; `until` is set where the seat was moved to another index.
    struct Seat {
        uint32 record;
        uint48 since;
        uint48 until;
    }

    /// @notice The deployment's numbers do not fit together.
    error InvalidTerms();
    /// @notice No host, an uplink above the limit, too long addresses, or seats without port or uplink.
    error InvalidEndpoint();
    /// @notice The host cannot be reached from the internet by its form; public chains refuse it.
    error HostNotGlobal(bytes16 host);
    /// @notice A cold wallet holds at most MAX_SEATS.
    error TooManySeats(uint256 held, uint256 cap);
    /// @notice The value is not the price of the added seats.
    error WrongValue(uint256 have, uint256 need);
    /// @notice The hot key's consent was for an earlier time.
    error ConsentExpired(uint256 expiry);
    /// @notice This very consent was used before.
    error ConsentSpent(bytes32 digest);
    /// @notice The consent was not signed by the hot key for this owner, chain and contract.
    error InvalidConsent(address signer, address hotKey);
    /// @notice The hot key belongs to another cold wallet, or to a node that has not left with all its stake.
    error KeyTaken(address hotKey);
    /// @notice Only the node's cold wallet may do this.
    error NotOwner(address caller, address owner);
    /// @notice The node, or the key, is in no current record.
    error NotRegistered(address hotKey);
    /// @notice The key is not current, or was not yet at the snapshot.
    error NotActiveSince(address hotKey, uint256 snapshot);
    /// @notice A seated node changes once in QUARANTINE seconds.
    error ChangedTooRecently(uint256 changeableAt);
    /// @notice There is no money for this call to move.
    error NothingToWithdraw();
    /// @notice The leaving stake can still be slashed.
    error StillBonded(uint256 withdrawableAt);
    /// @notice The receiver refused the money.
    error TransferFailed(address to);
    /// @notice The snapshot's second is not over.
    error SnapshotNotPast(uint256 snapshot);
    /// @notice Seats of that time may have been cleared away.
    error SnapshotTooOld(uint256 snapshot);
    /// @notice Only the dispute contract slashes.
    error OnlySlasher(address caller);

    /// @notice The consent comes with its signature, so that anyone can recover the key's public point.
    event HotKeyBound(
        uint32 indexed nodeId,
        address indexed hotKey,
        address indexed owner,
        bytes32 salt,
        uint64 expiry,
        bytes signature
    );
    /// @notice A record began: the node is drawn with these seats, from `firstSeat` on, once a snapshot has them.
    event NodeSeated(
        uint32 indexed nodeId,
        uint32 indexed record,
        address indexed hotKey,
        Endpoint endpoint,
        uint8 seats,
        uint256 firstSeat
    );
    /// @notice A record ended: later snapshots do not draw from its seats.
    event RecordEnded(uint32 indexed nodeId, uint32 indexed record);
    /// @notice Clearing moved the seat at the end into a freed place.
    event SeatMoved(uint256 indexed from, uint256 indexed to);
    /// @notice Clearing dropped the seat at the end.
    event SeatRemoved(uint256 indexed index);
    /// @notice Stake began to leave; all that is leaving is free at `unbondedAt`.
    event UnbondingStarted(uint32 indexed nodeId, uint256 amount, uint256 unbondedAt);
    /// @notice Unbonded stake went to the cold wallet.
    event Withdrawn(uint32 indexed nodeId, address indexed owner, uint256 amount);
    /// @notice A proven fault cost `amount`, `reward` of it to the reporter; the seats are gone.
    event Slashed(uint32 indexed nodeId, address indexed hotKey, uint256 amount, uint256 reward);
    /// @notice Slashed money went to the zero address.
    event Burned(uint256 amount);

    /// @notice Most seats of one cold wallet: a whale has at most eight times the chance of the smallest member,
    /// and one place in a committee.
    uint8 public constant MAX_SEATS = 8;
    /// @notice Most bytes of logged addresses: 8 multiaddrs of 200 bytes (docs/protocol.md section 4).
    uint256 public constant MAX_ADDRESS_BYTES = 1608;
    /// @notice Tries of a draw: TRIES_PER_MEMBER x size + EXTRA_TRIES, which bounds its gas.
    uint256 public constant TRIES_PER_MEMBER = 16;
    /// @notice See TRIES_PER_MEMBER.
    uint256 public constant EXTRA_TRIES = 64;
    /// @notice A draw that meets more than this many seats per member that cannot serve the rate draws nobody. Who
    /// asks for a rate that only few can serve would otherwise choose its own committee: colluders declare any
    /// uplink. With two, about half of the seats must be able.
    uint256 public constant WEAK_PER_MEMBER = 2;
    uint32 private constant MAX_UPLINK_KBPS = 100_000_000;

    bytes32 private constant REGISTRATION_TYPEHASH =
        keccak256("Registration(address owner,address hotKey,bytes32 salt,uint64 expiry)");
    bytes32 private constant SNAPSHOT_TAG = keccak256("plumbline/1/snapshot");

    /// @inheritdoc IStakeRegistry
    address public immutable SLASHER;
    /// @notice Wei per seat.
    uint96 public immutable SEAT_STAKE;
    /// @inheritdoc IStakeRegistry
    uint48 public immutable UNBONDING;
    /// @inheritdoc IStakeRegistry
    uint48 public immutable QUARANTINE;
    /// @notice Part of a node's stake that a fault costs, in thousandths.
    uint16 public immutable SLASH_PERMILLE;
    /// @notice The reporter's part of it, in thousandths.
    uint16 public immutable REWARD_PERMILLE;

    /// @notice Nodes registered so far; ids start at 1.
    uint32 public nodeCount;
    /// @notice Records made so far; ids start at 1.
    uint32 public recordCount;
    /// @notice Slashed wei waiting for `burn`.
    uint256 public burnable;

    mapping(uint32 nodeId => Node) private _nodes;
    mapping(uint32 record => Record) private _records;
    mapping(address hotKey => uint32 nodeId) private _nodeOf;
    mapping(address owner => uint256 seats) private _seatsOf;
    mapping(bytes32 digest => bool) private _spent;
    /// Two seats a slot: record (32) | since (48) << 32 | until (48) << 80.
    uint128[] private _seats;
    /// Second -> seat count << 176 | 176 bits of a running hash over every change.
    Checkpoints.Trace208 private _history;

    /// @param slasher the DisputeGame; its address is computed before it exists, and it checks this on deployment.
    constructor(address slasher, Terms memory terms) EIP712("plumbline", "1") {
        if (
            slasher == address(0) || terms.seatStake == 0 || terms.unbonding <= terms.quarantine
                || terms.quarantine == 0 || terms.slashPermille == 0 || terms.slashPermille > 1000
                || terms.rewardPermille > 500
        ) revert InvalidTerms();
        SLASHER = slasher;
        SEAT_STAKE = terms.seatStake;
        UNBONDING = terms.unbonding;
        QUARANTINE = terms.quarantine;
        SLASH_PERMILLE = terms.slashPermille;
        REWARD_PERMILLE = terms.rewardPermille;
    }

    // ---------------------------------------------------------------------------------------------- nodes

    /// @notice Registers a node of the caller, the cold wallet. Value: `seats` x SEAT_STAKE.
    /// @param seats 0 for a node that only proves.
    function register(Consent calldata consent, Endpoint calldata endpoint, uint8 seats)
        external
        payable
        returns (uint32 nodeId)
    {
        nodeId = ++nodeCount;
        _nodes[nodeId].owner = msg.sender;
        _bind(nodeId, consent);
        _seat(nodeId, consent.hotKey, endpoint, seats);
    }

    /// @notice Changes endpoint, uplink or seats. Added seats are paid with it, given up
    /// ones unbond. A seated node changes at most once in QUARANTINE seconds, so that freed seats cannot be made
    /// faster than they are cleared away.
    function update(uint32 nodeId, Endpoint calldata endpoint, uint8 seats) external payable {
        _onlyOwner(nodeId);
        Node storage node = _nodes[nodeId];
        address hotKey = _records[node.record].hotKey;
        if (hotKey == address(0)) revert NotRegistered(hotKey);
        _mayChange(node);
        _seat(nodeId, hotKey, endpoint, seats);
    }

    /// @notice Puts another hot key in the place of the present one; after leaving, joins again with
    /// that key or another. The old key's
    /// signatures stay slashable.
    function rotate(uint32 nodeId, Consent calldata consent, Endpoint calldata endpoint, uint8 seats)
        external
        payable
    {
        _onlyOwner(nodeId);
        _mayChange(_nodes[nodeId]);
        _bind(nodeId, consent);
        _seat(nodeId, consent.hotKey, endpoint, seats);
    }

    /// @notice Leaves: always possible, at once, for every node. The stake follows after UNBONDING seconds.
    function deregister(uint32 nodeId) external {
        _onlyOwner(nodeId);
        Node storage node = _nodes[nodeId];
        if (node.record == 0) revert NotRegistered(address(0));
        _endRecord(nodeId, node);
        _unbond(nodeId, node, node.seats);
    }

    /// @notice Pays unbonded stake to the cold wallet. Anyone may call it.
    function withdraw(uint32 nodeId) external nonReentrant {
        Node storage node = _nodes[nodeId];
        uint256 amount = node.unbonding;
        if (amount == 0) revert NothingToWithdraw();
        if (block.timestamp < node.unbondedAt) revert StillBonded(node.unbondedAt);
        node.unbonding = 0;
        emit Withdrawn(nodeId, node.owner, amount);
        _send(node.owner, amount);
    }

    /// @inheritdoc IStakeRegistry
    function slash(address hotKey) external nonReentrant returns (uint256 reward) {
        if (msg.sender != SLASHER) revert OnlySlasher(msg.sender);
        uint32 nodeId = _nodeOf[hotKey];
        Node storage node = _nodes[nodeId];
        if (node.record != 0) _endRecord(nodeId, node);
        if (node.seats > 0) _unbond(nodeId, node, node.seats);
        uint256 amount = (uint256(node.unbonding) * SLASH_PERMILLE) / 1000;
        reward = (amount * REWARD_PERMILLE) / 1000;
        // `amount` is a part of a uint128.
        node.unbonding -= uint128(amount);
        burnable += amount - reward;
        emit Slashed(nodeId, hotKey, amount, reward);
        if (reward > 0) _send(msg.sender, reward);
    }

    /// @notice Sends what slashing took to the zero address.
    function burn() external nonReentrant {
        uint256 amount = burnable;
        if (amount == 0) revert NothingToWithdraw();
        burnable = 0;
        emit Burned(amount);
        _send(address(0), amount);
    }

    /// @notice Clears seats away whose record ended, or that were moved, QUARANTINE seconds ago: the last seat
    /// moves into each, or is dropped. Anyone may call it; an index that cannot be cleared is passed over.
    function compact(uint256[] calldata holes) external returns (uint256 removed) {
        for (uint256 i = 0; i < holes.length; ++i) {
            if (_compactOne(holes[i])) ++removed;
        }
    }

    // ---------------------------------------------------------------------------------------------- views

    /// @inheritdoc IStakeRegistry
    function ownerOf(address hotKey) external view returns (address) {
        return _nodes[_nodeOf[hotKey]].owner;
    }

    /// @inheritdoc IStakeRegistry
    function activeSince(address hotKey, uint48 snapshot) external view returns (address, uint56) {
        Record storage record = _records[_nodes[_nodeOf[hotKey]].record];
        if (record.hotKey != hotKey || hotKey == address(0) || record.since > snapshot) {
            revert NotActiveSince(hotKey, snapshot);
        }
        return (record.owner, record.prefix);
    }

    /// @notice Id of the node that a hot key belongs to, or belonged to before a rotation; zero for none.
    function nodeOf(address hotKey) external view returns (uint32) {
        return _nodeOf[hotKey];
    }

    /// @notice A node by its id.
    function nodeAt(uint32 nodeId) external view returns (Node memory) {
        return _nodes[nodeId];
    }

    /// @notice A record by its id.
    function recordAt(uint32 record) external view returns (Record memory) {
        return _records[record];
    }

    /// @notice A seat by its index.
    function seatAt(uint256 index) external view returns (Seat memory) {
        return _readSeat(index);
    }

    /// @notice Seats now, ended ones that still wait for `compact` included.
    function seatCount() external view returns (uint256) {
        return _seats.length;
    }

    /// @notice Seats that a cold wallet holds.
    function seatsOf(address owner) external view returns (uint256) {
        return _seatsOf[owner];
    }

    /// @notice Stake of a node, unbonding part included: what a fault would cost a part of.
    function stakeOf(uint32 nodeId) external view returns (uint256) {
        return uint256(_nodes[nodeId].seats) * SEAT_STAKE + _nodes[nodeId].unbonding;
    }

    /// @notice Seat count and running hash at the end of a past second.
    function stateAt(uint48 snapshot) public view returns (uint256 count, uint256 digest) {
        if (snapshot >= block.timestamp) revert SnapshotNotPast(snapshot);
        uint256 value = _history.upperLookupRecent(snapshot);
        return (value >> 176, value & type(uint176).max);
    }

    /// @inheritdoc IStakeRegistry
    function snapshotHash(uint48 snapshot) external view returns (bytes32) {
        (uint256 count, uint256 digest) = stateAt(snapshot);
        return keccak256(abi.encode(SNAPSHOT_TAG, block.chainid, address(this), snapshot, count, digest));
    }

    /// @inheritdoc IStakeRegistry
    /// @dev Gas is bounded by the number of tries, not by the size of the registry. Nobody is drawn where more than
    /// WEAK_PER_MEMBER x size tries meet too small an uplink.
    function draw(DrawQuery calldata query) external view returns (address[] memory committee) {
        if (uint256(query.snapshot) + QUARANTINE < block.timestamp) revert SnapshotTooOld(query.snapshot);
        (uint256 count,) = stateAt(query.snapshot);
        committee = new address[](query.size);
        address[] memory owners = new address[](query.size);
        uint56[] memory prefixes = new uint56[](query.size);
        uint256 tries = count == 0 ? 0 : query.size * TRIES_PER_MEMBER + EXTRA_TRIES;
        uint256 found = 0;
        uint256 weak = 0;
        for (uint256 i = 0; i < tries && found < query.size; ++i) {
            uint32 id = _seated(_sample(query.seed, i, count), query.snapshot);
            if (id == 0) continue;
            Record storage record = _records[id];
            (address owner, uint56 prefix, uint32 uplink) = (record.owner, record.prefix, record.uplinkKbps);
            if (uplink < query.minUplinkKbps) {
                if (++weak > query.size * WEAK_PER_MEMBER) return new address[](0);
                continue;
            }
            if (_isExcluded(query, owner, prefix) || _isTaken(owners, prefixes, found, owner, prefix)) {
                continue;
            }
            owners[found] = owner;
            prefixes[found] = prefix;
            committee[found++] = record.hotKey;
        }
        assembly ("memory-safe") {
            mstore(committee, found)
        }
    }

    // ------------------------------------------------------------------------------------------- internals

    function _onlyOwner(uint32 nodeId) private view {
        if (msg.sender != _nodes[nodeId].owner) revert NotOwner(msg.sender, _nodes[nodeId].owner);
    }

    function _mayChange(Node storage node) private view {
        if (node.seats > 0 && block.timestamp < uint256(node.changedAt) + QUARANTINE) {
            revert ChangedTooRecently(uint256(node.changedAt) + QUARANTINE);
        }
    }

    /// A key belongs to one cold wallet for ever, and to one open node at a time.
    function _bind(uint32 nodeId, Consent calldata consent) private {
        if (block.timestamp > consent.expiry) revert ConsentExpired(consent.expiry);
        bytes32 digest = _hashTypedDataV4(
            keccak256(
                abi.encode(REGISTRATION_TYPEHASH, msg.sender, consent.hotKey, consent.salt, consent.expiry)
            )
        );
        if (_spent[digest]) revert ConsentSpent(digest);
        _spent[digest] = true;
        address signer = ECDSA.recoverCalldata(digest, consent.signature);
        if (signer != consent.hotKey) revert InvalidConsent(signer, consent.hotKey);
        uint32 before = _nodeOf[consent.hotKey];
        if (before != 0 && before != nodeId) {
            Node storage other = _nodes[before];
            if (other.owner != msg.sender || other.record != 0 || other.unbonding != 0) {
                revert KeyTaken(consent.hotKey);
            }
        }
        _nodeOf[consent.hotKey] = nodeId;
        emit HotKeyBound(nodeId, consent.hotKey, msg.sender, consent.salt, consent.expiry, consent.signature);
    }

    function _seat(uint32 nodeId, address hotKey, Endpoint calldata endpoint, uint8 seats) private {
        _checkEndpoint(endpoint, seats);
        Node storage node = _nodes[nodeId];
        uint256 held = node.seats;
        uint256 added = seats > held ? seats - held : 0;
        if (msg.value != added * SEAT_STAKE) revert WrongValue(msg.value, added * SEAT_STAKE);
        if (_seatsOf[msg.sender] + added > MAX_SEATS) {
            revert TooManySeats(_seatsOf[msg.sender] + added, MAX_SEATS);
        }
        if (node.record != 0) _endRecord(nodeId, node);
        if (seats < held) _unbond(nodeId, node, held - seats);
        if (added > 0) _seatsOf[msg.sender] += added;
        node.seats = seats;
        node.changedAt = uint48(block.timestamp);
        node.record = _begin(hotKey, endpoint);
        uint256 firstSeat = _addSeats(node.record, seats);
        bytes32 what = keccak256(
            abi.encode(
                node.record,
                hotKey,
                msg.sender,
                endpoint.host,
                endpoint.udpPort,
                endpoint.uplinkKbps,
                firstSeat,
                seats
            )
        );
        _note(what);
        emit NodeSeated(nodeId, node.record, hotKey, endpoint, seats, firstSeat);
    }

    function _checkEndpoint(Endpoint calldata endpoint, uint8 seats) private view {
        if (
            endpoint.host == 0 || endpoint.uplinkKbps > MAX_UPLINK_KBPS
                || endpoint.addresses.length > MAX_ADDRESS_BYTES
                || (seats > 0 && (endpoint.udpPort == 0 || endpoint.uplinkKbps == 0))
        ) revert InvalidEndpoint();
        bool development = block.chainid == 31337 || block.chainid == 1337;
        if (!development && !Prefixes.isGlobal(endpoint.host)) revert HostNotGlobal(endpoint.host);
    }

    function _begin(address hotKey, Endpoint calldata endpoint) private returns (uint32 id) {
        id = ++recordCount;
        Record storage record = _records[id];
        record.owner = msg.sender;
        record.prefix = Prefixes.prefixOf(endpoint.host);
        record.uplinkKbps = endpoint.uplinkKbps;
        record.hotKey = hotKey;
        record.since = uint48(block.timestamp);
    }

    function _addSeats(uint32 record, uint8 seats) private returns (uint256 firstSeat) {
        firstSeat = _seats.length;
        for (uint256 i = 0; i < seats; ++i) {
            _seats.push(_packSeat(record, uint48(block.timestamp), 0));
        }
    }

    function _endRecord(uint32 nodeId, Node storage node) private {
        uint32 id = node.record;
        _records[id].until = uint48(block.timestamp);
        node.record = 0;
        _note(keccak256(abi.encode(id)));
        emit RecordEnded(nodeId, id);
    }

    function _unbond(uint32 nodeId, Node storage node, uint256 seats) private {
        if (seats == 0) return;
        _seatsOf[node.owner] -= seats;
        // At most MAX_SEATS of them, and a product of 8 and 96 bits.
        node.seats -= uint8(seats);
        node.unbonding += uint128(seats * SEAT_STAKE);
        node.unbondedAt = uint48(block.timestamp) + UNBONDING;
        emit UnbondingStarted(nodeId, seats * SEAT_STAKE, node.unbondedAt);
    }

    function _compactOne(uint256 hole) private returns (bool) {
        if (hole >= _seats.length || !_isCleared(hole)) return false;
        uint256 last = _seats.length - 1;
        Seat memory tail = _readSeat(last);
        if (hole == last || _isCleared(last)) {
            _seats.pop();
            _note(keccak256(abi.encode(last, "removed")));
            emit SeatRemoved(last);
            return true;
        }
        if (_endOf(tail) != 0) return false;
        _seats[hole] = _packSeat(tail.record, uint48(block.timestamp), 0);
        _seats[last] = _packSeat(tail.record, tail.since, uint48(block.timestamp));
        _note(keccak256(abi.encode(last, hole)));
        emit SeatMoved(last, hole);
        return true;
    }

    /// Whether a seat ended so long ago that no draw looks back to it.
    function _isCleared(uint256 index) private view returns (bool) {
        uint256 end = _endOf(_readSeat(index));
        return end != 0 && end + QUARANTINE <= block.timestamp;
    }

    function _endOf(Seat memory seat) private view returns (uint48) {
        return seat.until != 0 ? seat.until : _records[seat.record].until;
    }

    /// The record in a seat at a snapshot; zero for none.
    function _seated(uint256 index, uint48 snapshot) private view returns (uint32) {
        if (index >= _seats.length) return 0; // dropped since, and so ended before the snapshot
        Seat memory seat = _readSeat(index);
        uint48 end = _endOf(seat);
        return seat.since > snapshot || (end != 0 && end <= snapshot) ? 0 : seat.record;
    }

    function _readSeat(uint256 index) private view returns (Seat memory) {
        uint128 packed = _seats[index];
        // Cuts the fields out of one word.
        return Seat(uint32(packed), uint48(packed >> 32), uint48(packed >> 80));
    }

    function _packSeat(uint32 record, uint48 since, uint48 until) private pure returns (uint128) {
        return uint128(record) | (uint128(since) << 32) | (uint128(until) << 80);
    }

    function _sample(bytes32 seed, uint256 attempt, uint256 count) private pure returns (uint256 index) {
        assembly ("memory-safe") {
            mstore(0, seed)
            mstore(32, attempt)
            index := mod(keccak256(0, 64), count)
        }
    }

    function _isExcluded(DrawQuery calldata query, address owner, uint56 prefix) private pure returns (bool) {
        return prefix == query.proverPrefix || owner == query.excluded[0] || owner == query.excluded[1]
            || owner == query.excluded[2];
    }

    function _isTaken(
        address[] memory owners,
        uint56[] memory prefixes,
        uint256 found,
        address owner,
        uint56 prefix
    ) private pure returns (bool) {
        for (uint256 i = 0; i < found; ++i) {
            if (owners[i] == owner || prefixes[i] == prefix) return true;
        }
        return false;
    }

    function _note(bytes32 change) private {
        uint176 digest = uint176(uint256(keccak256(abi.encode(_history.latest(), change))));
        _history.push(uint48(block.timestamp), (uint208(_seats.length) << 176) | digest);
    }

    function _send(address to, uint256 amount) private {
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert TransferFailed(to);
    }
}
