package c756;

import static io.gatling.javaapi.core.CoreDsl.exec;

import io.gatling.javaapi.core.ChainBuilder;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What a simulation has written and not yet deleted. At the end of the run it is deleted, so that a test leaves the tables as it found them
 * although a request of it failed.
 */
final class Leftovers {
    /** Where each kind lives: the session key of its id, and the path before the id. */
    private static final Map<String, String> PATHS = Map.of("music_id", "/api/v1/music/", "user_id", "/api/v1/user/");

    private static final int TRIES = 5;
    private static final Duration BETWEEN_TRIES = Duration.ofMillis(500);
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    private final Settings settings;
    private final Token token;
    private final Set<String> paths = ConcurrentHashMap.newKeySet();

    Leftovers(Settings settings, Token token) {
        this.settings = settings;
        this.token = token;
    }

    /** Notes that the item whose id is in the session under this key exists. */
    ChainBuilder created(String key) {
        return exec(session -> {
            paths.add(PATHS.get(key) + session.getString(key));
            return session;
        });
    }

    /** Notes that the item whose id is in the session under this key is gone, if nothing has failed since {@code markAsSucceeded}. */
    ChainBuilder deleted(String key) {
        return exec(session -> {
            if (!session.isFailed()) {
                paths.remove(PATHS.get(key) + session.getString(key));
            }
            return session;
        });
    }

    /** Deletes what is left, and says what could not be deleted. */
    void remove() {
        if (paths.isEmpty()) {
            return;
        }
        HttpClient client = HttpClient.newBuilder().connectTimeout(TIMEOUT).build();
        int all = paths.size();
        paths.removeIf(path -> gone(client, path));
        System.out.println("load: " + (all - paths.size()) + " of " + all + " items that failed requests had left behind are now deleted");
        paths.forEach(path -> System.err.println("load: could not delete " + path + ": delete it by hand"));
    }

    private boolean gone(HttpClient client, String path) {
        String bearer = token.current();
        for (int i = 0; i < TRIES; i++) {
            try {
                HttpRequest request = HttpRequest.newBuilder(URI.create(settings.address() + path))
                        .timeout(TIMEOUT)
                        .header("Authorization", "Bearer " + bearer)
                        .DELETE()
                        .build();
                int status = client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
                if (status == 200 || status == 404) {
                    return true;
                }
                if (status == 403) { // a long run's token is some user's, who deletes nobody else
                    bearer = token.login(path.substring(path.lastIndexOf('/') + 1));
                    continue;
                }
                System.err.println("load: DELETE " + path + " answered " + status);
                Thread.sleep(BETWEEN_TRIES.toMillis());
            } catch (IOException e) {
                System.err.println("load: DELETE " + path + ": " + e);
                return false; // nobody there: more tries, for each item, would take long
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return false;
            }
        }
        return false;
    }
}
