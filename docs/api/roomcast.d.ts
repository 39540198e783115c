/**
 * What clients and the hub say to each other, for socket.io-client:
 *
 *     const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io(url, { auth: { token } });
 *
 * Made from the hub's own types (`make api`): do not edit.
 */

/** What an ack callback gets: the data of the last answer, or why there is none. */
export type Answer<Data> =
  | { ok: true; data: Data }
  | { ok: false; error: { code: string; message: string; retryAfterMs?: number } };

/** An ack callback. */
export type Ack<Data> = (answer: Answer<Data>) => void;

/** What the hub sends over Socket.IO. */
export interface ServerToClientEvents {
  /** The token runs out soon. */
  "auth:expiring": (data: Expiry) => void;
  /** The fresh token was taken. */
  "auth:refreshed": (data: Expiry) => void;
  /** A campaign's figures. */
  "campaign:metrics_updated": (data: MetricsUpdated) => void;
  /** The snapshot that a subscribe begins with, and that follows a gap. */
  "campaign:status": (data: CampaignStatus) => void;
  /** A campaign's status has changed. */
  "campaign:status_changed": (data: StatusChanged) => void;
  /** A timer has been set. */
  "campaign:timer_scheduled": (data: TimerScheduled) => void;
  /** Anything else about a campaign, with the update's own fields. */
  "campaign:updated": (data: Updated) => void;
  /** Something went wrong. */
  "error": (data: ErrorData) => void;
  /** Events of that time may be missing; a fresh campaign:status for each of the socket's campaigns follows. */
  "gap": (data: Gap) => void;
  /** On connect: the user's active campaigns, newest first. */
  "initial:campaigns": (data: InitialCampaign[]) => void;
  /** On connect: unread, newest first, at most ten. */
  "initial:notifications": (data: Notification[]) => void;
  /** On connect: how the hub is. */
  "initial:system_status": (data: InitialSystemStatus) => void;
  /** Something for a user, kept until read. */
  "notification": (data: Notification) => void;
  /** Those that were the user's and unread are marked as read. */
  "notifications:read": (data: NotificationsRead) => void;
  /** The answer to ping. */
  "pong": (data: Pong) => void;
  /** A room was joined. */
  "subscribed": (data: Room) => void;
  /** Something that operators should know. */
  "system:alert": (data: Alert) => void;
  /** How a service is. The hub's own comes each second, with HubMetrics. */
  "system:service_status": (data: ServiceStatus) => void;
  /** Anything else about a timer, with the event's own fields. */
  "timer:event": (data: TimerEvent) => void;
  /** A timer has run. */
  "timer:executed": (data: TimerExecuted) => void;
  /** A timer could not be run. */
  "timer:failed": (data: TimerFailed) => void;
  /** A room was left. */
  "unsubscribed": (data: Unsubscribed) => void;
}

/** What a client may say over Socket.IO. */
export interface ClientToServerEvents {
  /** Go on with a fresh token of the same user. */
  "auth:refresh": (data: TokenRequest, ack?: Ack<Expiry>) => void;
  /** Mark notifications as read. */
  "notifications:read": (data: NotificationsReadRequest, ack?: Ack<NotificationsRead>) => void;
  /** Ask for a pong. */
  "ping": (ack?: Ack<Pong>) => void;
  /** Join a campaign's room. */
  "subscribe:campaign": (data: CampaignRequest, ack?: Ack<Room>) => void;
  /** Join the system room. */
  "subscribe:system": (ack?: Ack<Room>) => void;
  /** Join a user's room; unread notifications follow the answer. */
  "subscribe:user": (...args: [ack?: Ack<Room>] | [data: UserRequest | null, ack?: Ack<Room>]) => void;
  /** Leave a campaign's room. */
  "unsubscribe:campaign": (data: CampaignRequest, ack?: Ack<Unsubscribed>) => void;
  /** Leave the system room. */
  "unsubscribe:system": (ack?: Ack<Unsubscribed>) => void;
  /** Leave a user's room. */
  "unsubscribe:user": (...args: [ack?: Ack<Unsubscribed>] | [data: UserRequest | null, ack?: Ack<Unsubscribed>]) => void;
}

/** The same for sockets that only use `emitWithAck`, which is typed by these. */
export interface ClientToServerEventsWithAck {
  /** Go on with a fresh token of the same user. */
  "auth:refresh": (data: TokenRequest, ack: Ack<Expiry>) => void;
  /** Mark notifications as read. */
  "notifications:read": (data: NotificationsReadRequest, ack: Ack<NotificationsRead>) => void;
  /** Ask for a pong. */
  "ping": (ack: Ack<Pong>) => void;
  /** Join a campaign's room. */
  "subscribe:campaign": (data: CampaignRequest, ack: Ack<Room>) => void;
  /** Join the system room. */
  "subscribe:system": (ack: Ack<Room>) => void;
  /** Join a user's room; unread notifications follow the answer. */
  "subscribe:user": (...args: [ack: Ack<Room>] | [data: UserRequest | null, ack: Ack<Room>]) => void;
  /** Leave a campaign's room. */
  "unsubscribe:campaign": (data: CampaignRequest, ack: Ack<Unsubscribed>) => void;
  /** Leave the system room. */
  "unsubscribe:system": (ack: Ack<Unsubscribed>) => void;
  /** Leave a user's room. */
  "unsubscribe:user": (...args: [ack: Ack<Unsubscribed>] | [data: UserRequest | null, ack: Ack<Unsubscribed>]) => void;
}

/**
 * How much an alert matters.
 */
export type Level = "info" | "warning" | "error" | "critical";
/**
 * A time: RFC 3339 in UTC with milliseconds.
 */
export type Timestamp = string;
/**
 * How a service is.
 */
export type Health = "healthy" | "degraded" | "unhealthy";
/**
 * How the hub is.
 */
export type HubStatus = "operational" | "degraded" | "draining";
/**
 * An id: 1 to 128 characters without white space or control characters.
 */
export type Id = string;
/**
 * A user's part in a campaign.
 */
export type Role = "owner" | "participant";
/**
 * What a notification is about.
 */
export type NotificationKind = "info" | "success" | "warning" | "error";
/**
 * How a timer's run ended.
 */
export type Outcome = "COMPLETED" | "FAILED";
/**
 * A room, as answers name it.
 */
export type Room =
  | {
      campaignId: string;
      type: "campaign";
    }
  | {
      type: "user";
      userId: string;
    }
  | {
      type: "system";
    };
export type Unsubscribed =
  | {
      campaignId: string;
      type: "campaign";
    }
  | {
      type: "user";
      userId: string;
    }
  | {
      type: "system";
    };

export interface Schemas {
  [k: string]: unknown;
}
/**
 * `system:alert`
 */
export interface Alert {
  level: Level;
  message: string;
  metadata?: unknown;
  timestamp: Timestamp;
  title: string;
}
/**
 * `subscribe:campaign`, `unsubscribe:campaign`
 */
export interface CampaignRequest {
  /**
   * Which campaign.
   */
  campaignId: string;
}
/**
 * `campaign:status`: the snapshot. A campaign that the store does not know has `status`, `metadata` and
 * `timestamp` null.
 */
export interface CampaignStatus {
  campaignId: string;
  metadata: unknown;
  status: string | null;
  timestamp: Timestamp | null;
}
/**
 * `connected`: the first frame after authentication on the plain websocket.
 */
export interface Connected {
  expiresAt: Timestamp;
  pingIntervalMs: number;
  socketId: string;
  userId: string;
}
/**
 * `error`
 */
export interface ErrorData {
  /**
   * The campaign concerned.
   */
  campaignId?: string;
  /**
   * The stable code.
   */
  code:
    | "auth_failed"
    | "unauthenticated"
    | "access_denied"
    | "admin_required"
    | "room_full"
    | "room_limit"
    | "invalid_payload"
    | "unknown_event"
    | "rate_limited"
    | "connection_limit"
    | "kicked"
    | "token_expired"
    | "idle"
    | "slow_consumer"
    | "shutting_down"
    | "unavailable"
    | "internal";
  /**
   * Names the line in the log that has the details.
   */
  correlationId?: string;
  /**
   * The client's event that it answers.
   */
  event?: string;
  /**
   * The stable text.
   */
  message: string;
  /**
   * Why, where the code alone does not say it: of `auth_failed`.
   */
  reason?: string;
  /**
   * When to try again, in milliseconds.
   */
  retryAfterMs?: number;
  /**
   * The user concerned.
   */
  userId?: string;
}
/**
 * `auth:expiring`, and `auth:refreshed`
 */
export interface Expiry {
  /**
   * A time: RFC 3339 in UTC with milliseconds.
   */
  expiresAt: string;
}
/**
 * `gap`: events of that time may be missing.
 */
export interface Gap {
  since: Timestamp;
  source: string;
  until: Timestamp;
}
/**
 * The `metrics` of the hub's own `system:service_status`.
 */
export interface HubMetrics {
  connections: number;
  database: string;
  /**
   * How far events are behind, in milliseconds.
   */
  delayMs: number;
  deliveriesPerSecond: number;
  eventsPerSecond: number;
  gaps: number;
  /**
   * The state of the part, as `/health/ready` words it.
   */
  redis: string;
  refused: number;
  rooms: number;
  slowConsumers: number;
  users: number;
}
/**
 * One of `initial:campaigns`.
 */
export interface InitialCampaign {
  campaignId: string;
  metadata: unknown;
  name: string | null;
  role: Role;
  status: string | null;
}
/**
 * `initial:system_status`
 */
export interface InitialSystemStatus {
  status: HubStatus;
  timestamp: Timestamp;
  /**
   * In seconds.
   */
  uptime: number;
  version: string;
}
/**
 * A campaign's figures: numbers, as they were written.
 */
export interface Metrics {
  engagements: number;
  participants: number;
  rewards: number;
}
/**
 * `campaign:metrics_updated`
 */
export interface MetricsUpdated {
  campaignId: string;
  metrics: Metrics;
  timestamp: Timestamp;
}
/**
 * `notification`
 */
export interface Notification {
  actionUrl?: string;
  campaignId?: string;
  id: string;
  message: string;
  metadata?: unknown;
  timestamp: Timestamp;
  title: string;
  type: NotificationKind;
}
/**
 * `notifications:read`
 */
export interface NotificationsRead {
  /**
   * Those that were the user's and unread.
   */
  ids: string[];
}
/**
 * `notifications:read`
 */
export interface NotificationsReadRequest {
  /**
   * Which notifications have been read: at most 500.
   *
   * @maxItems 500
   */
  ids: string[];
}
/**
 * `pong`
 */
export interface Pong {
  /**
   * Milliseconds since 1970.
   */
  timestamp: number;
}
/**
 * `system:service_status`. The hub's own has [`HubMetrics`](super::server::HubMetrics).
 */
export interface ServiceStatus {
  metrics?: unknown;
  service: string;
  status: Health;
  timestamp: Timestamp;
}
/**
 * `system:service_status`. The hub's own has [`HubMetrics`](super::server::HubMetrics).
 */
export interface ServiceStatus2 {
  metrics?: HubMetrics;
  service: string;
  status: Health;
  timestamp: Timestamp;
}
/**
 * `campaign:status_changed`
 */
export interface StatusChanged {
  campaignId: string;
  metadata?: unknown;
  previousStatus?: string;
  status: string;
  timestamp: Timestamp;
  trigger: string;
}
/**
 * `timer:event`
 */
export interface TimerEvent {
  campaignId: string;
  timerId: string;
  timestamp: Timestamp;
  [k: string]: unknown;
}
/**
 * `timer:executed`
 */
export interface TimerExecuted {
  campaignId: string;
  executionTime: Timestamp;
  /**
   * A number, as it was written.
   */
  processingTimeMs?: number;
  result?: unknown;
  status: Outcome;
  timerId: string;
  timerType: string;
  timestamp: Timestamp;
}
/**
 * `timer:failed`
 */
export interface TimerFailed {
  campaignId: string;
  error: string;
  nextRetryAt?: Timestamp;
  retryCount: number;
  timerId: string;
  timerType: string;
  timestamp: Timestamp;
}
/**
 * `campaign:timer_scheduled`
 */
export interface TimerScheduled {
  campaignId: string;
  scheduledAt: Timestamp;
  timerId: string;
  timerType: string;
  timestamp: Timestamp;
}
/**
 * The CONNECT payload (`auth` in the client); the data of `auth` on the plain websocket and of
 * `auth:refresh`.
 */
export interface TokenRequest {
  /**
   * The JWT.
   */
  token?: string;
}
export interface Unsubscribed1 {
  /**
   * Set where the client did not ask to leave: `permission`.
   */
  reason?: string;
}
/**
 * `campaign:updated`
 */
export interface Updated {
  campaignId: string;
  timestamp: Timestamp;
  [k: string]: unknown;
}
/**
 * `subscribe:user`, `unsubscribe:user`
 */
export interface UserRequest {
  /**
   * Whose room; the client's own where it is left out.
   */
  userId?: Id | null;
}
