package c756;

import static io.gatling.javaapi.core.CoreDsl.csv;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The token that the requests carry: the one that the run was given, renewed by a login before it expires, since a run may last longer
 * than a token.
 */
final class Token {
    private static final Pattern EXPIRES = Pattern.compile("\"exp\"\\s*:\\s*([0-9]+)");
    /** How long before the end of a token the next one is fetched: a tenth of what is left, at most this. */
    private static final Duration EARLY = Duration.ofMinutes(5);
    private static final Duration RETRY = Duration.ofSeconds(5);
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    private final Settings settings;
    private final HttpClient client = HttpClient.newBuilder().connectTimeout(TIMEOUT).build();
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread thread = new Thread(task, "token");
        thread.setDaemon(true);
        return thread;
    });
    private volatile String current;

    Token(Settings settings) {
        this.settings = settings;
        this.current = settings.token();
    }

    String current() {
        return current;
    }

    void begin() {
        if (current.isEmpty()) {
            renew();
        } else {
            clock.schedule(this::renew, untilRenewal(current, Instant.now()).toMillis(), TimeUnit.MILLISECONDS);
        }
    }

    void end() {
        clock.shutdownNow();
    }

    /** How long the token may still be used; a token without an end is looked at again in a day. */
    static Duration untilRenewal(String token, Instant now) {
        String[] parts = token.split("\\.");
        if (parts.length != 3) {
            return Duration.ofDays(1);
        }
        String claims;
        try {
            claims = new String(Base64.getUrlDecoder().decode(parts[1]), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            return Duration.ofDays(1); // no JWT: the services decide what it is worth
        }
        Matcher match = EXPIRES.matcher(claims);
        if (!match.find()) {
            return Duration.ofDays(1);
        }
        Duration left = Duration.between(now, Instant.ofEpochSecond(Long.parseLong(match.group(1))));
        Duration early = left.dividedBy(10).compareTo(EARLY) < 0 ? left.dividedBy(10) : EARLY;
        return left.minus(early).isNegative() ? Duration.ZERO : left.minus(early);
    }

    private void renew() {
        Duration next = RETRY;
        try {
            current = login((String) csv("users.csv").readRecords().get(0).get("user_id"));
            next = untilRenewal(current, Instant.now());
        } catch (IOException e) {
            System.err.println("load: no new token (" + e.getMessage() + "), next try in " + RETRY.toSeconds() + " s");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return;
        }
        clock.schedule(this::renew, Math.max(next.toMillis(), RETRY.toMillis()), TimeUnit.MILLISECONDS);
    }

    /** The token that a user gets, who has no password: the service answers with it, as text. */
    String login(String user) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(settings.address() + "/api/v1/user/login"))
                .timeout(TIMEOUT)
                .header("Content-Type", "application/json")
                .PUT(HttpRequest.BodyPublishers.ofString("{\"uid\": \"" + user + "\"}"))
                .build();
        HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() != 200) {
            throw new IOException("login of user " + user + " answered " + response.statusCode());
        }
        return UserApi.token(response.body());
    }
}
