// A controller with shared informers and leader election, as most of the ecosystem's are: the leader copies the data of
// each ConfigMap with the label `copy` into one called NAME-copy, which belongs to it, and keeps it up to date.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/workqueue"
)

const namespace = "default"

func main() {
	identity := os.Args[1]
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	check(err)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client := kubernetes.NewForConfigOrDie(config)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, namespace, "copier", client.CoreV1(),
		client.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: identity})
	check(err)
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: lock, ReleaseOnCancel: true,
		LeaseDuration: 5 * time.Second, RenewDeadline: 4 * time.Second, RetryPeriod: 500 * time.Millisecond,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) { lead(ctx, client, identity) },
			OnStoppedLeading: func() { fmt.Println("stopped", identity) },
			OnNewLeader:      func(leader string) { fmt.Println("leader", leader) },
		},
	})
}

func lead(ctx context.Context, client kubernetes.Interface, identity string) {
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	informer := factory.Core().V1().ConfigMaps().Informer()
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
	add := func(object any) {
		key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object)
		check(err)
		queue.Add(key)
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: add, UpdateFunc: func(_, object any) { add(object) }, DeleteFunc: add,
	})
	check(err)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	go func() { <-ctx.Done(); queue.ShutDown() }()
	for {
		key, shutdown := queue.Get()
		if shutdown {
			return
		}
		if err := reconcile(ctx, client, informer.GetStore(), key, identity); err != nil {
			fmt.Println("again", key, err)
			queue.AddRateLimited(key)
		} else {
			queue.Forget(key)
		}
		queue.Done(key)
	}
}

func reconcile(ctx context.Context, client kubernetes.Interface, store cache.Store, key, identity string) error {
	object, exists, err := store.GetByKey(key)
	if err != nil || !exists {
		return err
	}
	original := object.(*corev1.ConfigMap)
	if _, wanted := original.Labels["copy"]; !wanted {
		return nil
	}
	api := client.CoreV1().ConfigMaps(namespace)
	data := maps.Clone(original.Data)
	data["by"] = identity
	found, err := api.Get(ctx, original.Name+"-copy", metav1.GetOptions{})
	if errors.IsNotFound(err) {
		_, err = api.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{
				Name: original.Name + "-copy",
				OwnerReferences: []metav1.OwnerReference{
					*metav1.NewControllerRef(original, corev1.SchemeGroupVersion.WithKind("ConfigMap")),
				},
			},
			Data: data,
		}, metav1.CreateOptions{})
		return err
	}
	if err != nil || maps.Equal(found.Data, data) {
		return err
	}
	found = found.DeepCopy()
	found.Data = data
	_, err = api.Update(ctx, found, metav1.UpdateOptions{})
	return err
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
